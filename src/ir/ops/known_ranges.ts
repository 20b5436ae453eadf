/** Bounds of an operator's result that hold for every input, by operator of the default domain. */
const bounds: Readonly<Record<string, { readonly min: number; readonly max: number }>> = {
  Sigmoid: { min: 0, max: 1 },
  HardSigmoid: { min: 0, max: 1 },
  Softmax: { min: 0, max: 1 },
  Tanh: { min: -1, max: 1 },
};

export const knownRange = (domain: string, opType: string): { min: number; max: number } | undefined =>
  domain === '' || domain === 'ai.onnx' ? bounds[opType] : undefined;
