/** Bounds of an operator's result that hold for every input, by operator of the default domain. */
const bounds: Readonly<Record<string, { readonly min: number; readonly max?: number }>> = {
  Relu: { min: 0 },
  Sigmoid: { min: 0, max: 1 },
  HardSigmoid: { min: 0, max: 1 },
  Softmax: { min: 0, max: 1 },
  Tanh: { min: -1, max: 1 },
};

/** Both bounds are undefined where the operator has none. */
export const knownBounds = (
  domain: string,
  opType: string,
): { readonly min: number | undefined; readonly max: number | undefined } => {
  const known = domain === '' || domain === 'ai.onnx' ? bounds[opType] : undefined;
  return { min: known?.min, max: known?.max };
};
