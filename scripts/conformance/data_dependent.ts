/**
 * What leaves a size open that no shape decides: operators whose results are as long as the elements they compute on
 * have it, sequences of elements of several shapes, and inputs that the model declares without a shape.
 */
export const dataDependent: Readonly<Record<string, string>> = {
  Compress: 'as long as there are elements chosen',
  ImageDecoder: 'as large as the image in the bytes says',
  Loop: 'as many iterations as its condition holds for',
  NonMaxSuppression: 'as many boxes as are left',
  NonZero: 'as many columns as elements are not zero',
  StringNormalizer: 'as long as there are words left',
  StringSplit: 'as wide as the string of most parts',
  'an open input': 'declared without a rank',
  'elements that differ': 'the elements of a sequence have no size in common',
  Unique: 'as long as there are different elements',
};
