import { DiagnosticError } from '../../ir/diagnostic.js';
import { evaluate, formatDim, symbolsOf } from '../../ir/dim.js';
import { formatType, type Shape } from '../../ir/value_type.js';
import { plainSymbol } from './check_feeds.js';
import type { InputSpec } from './source.js';

/** Sizes by symbol, and by `input[axis]` for dimensions without one. */
export type DimBindings = Readonly<Record<string, number>>;

/**
 * Numbers for the dimensions of all inputs, in their order. A first dimension that nobody bound is 1.
 * @throws DiagnosticError `data/open-dimension` where another is not bound, `data/unknown-symbol` for a binding that no
 * dimension has, `data/unsupported-input` where an input's rank is not known.
 */
export function randomDims(inputs: readonly InputSpec[], bind: DimBindings): readonly (readonly number[])[] {
  const shapes = inputs.map((input) => ({ name: input.name, shape: shapeOf(input) }));
  const sizes = checkBindings(shapes, bind);
  for (const { shape } of shapes) {
    const name = typeof shape[0] === 'object' ? plainSymbol(shape[0]) : undefined;
    if (name !== undefined && !sizes.has(name)) sizes.set(name, 1);
  }
  return shapes.map(({ name, shape }) =>
    shape.map((dim, axis) => {
      const size =
        dim === undefined ? (sizes.get(`${name}[${axis}]`) ?? (axis === 0 ? 1 : undefined)) : evaluate(dim, sizes);
      if (typeof size === 'number' && size >= 0) return size;
      const open =
        dim === undefined ? [`${name}[${axis}]`] : [...symbolsOf(dim)].filter((symbol) => !sizes.has(symbol));
      throw new DiagnosticError({
        code: 'data/open-dimension',
        message: `dimension ${axis} is ${dim === undefined ? 'open' : formatDim(dim)}`,
        where: name,
        help: open.length > 0 ? `Bind ${open.join(' and ')} to a size` : 'Bind its symbols to larger sizes',
      });
    }),
  );
}

function shapeOf({ name, type }: InputSpec): Shape {
  if (type?.kind === 'tensor' && type.shape !== undefined) return type.shape;
  throw new DiagnosticError({
    code: 'data/unsupported-input',
    message: `no random data are made for ${formatType(type)}`,
    where: name,
    help: 'Give real samples',
  });
}

function checkBindings(
  shapes: readonly { readonly name: string; readonly shape: Shape }[],
  bind: DimBindings,
): Map<string, number> {
  const known = new Set<string>();
  for (const { name, shape } of shapes) {
    for (const [axis, dim] of shape.entries()) {
      if (dim === undefined) known.add(`${name}[${axis}]`);
      else for (const symbol of symbolsOf(dim)) known.add(symbol);
    }
  }
  for (const [symbol, size] of Object.entries(bind)) {
    if (!known.has(symbol)) {
      throw new DiagnosticError({
        code: 'data/unknown-symbol',
        message: `no dimension of the inputs is called "${symbol}"`,
        help: known.size === 0 ? 'All dimensions are fixed' : `Those that can be bound are ${[...known].join(', ')}`,
      });
    }
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new DiagnosticError({
        code: 'data/open-dimension',
        message: `"${symbol}" is bound to ${size}`,
        help: 'Bind it to a whole number',
      });
    }
  }
  return new Map(Object.entries(bind));
}
