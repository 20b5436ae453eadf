import { floatAttribute, intAttribute, stringAttribute } from '../../../src/ir/attribute.js';
import { tensorType } from '../../../src/ir/value_type.js';
import { isFixed, isFloat, isTame, type Scope, type Step } from './scope.js';

/** A recurrent layer over [length, batch, width], any of whose outputs may be left out. */
function recurrent(scope: Scope): void {
  const x = scope.pick(
    (item) =>
      isTame(item) &&
      item.dims.length === 3 &&
      isFixed(item.dims[2]!) &&
      // The runtime divides by them.
      item.dims.every((size) => size.every((each) => each > 0)),
  );
  if (x === undefined) return;
  const { random } = scope;
  const width = x.dims[2]![0]!;
  const hidden = 2;
  const [opType, gates] = random.from([
    ['LSTM', 4],
    ['GRU', 3],
    ['RNN', 1],
  ] as const);
  const weights = [
    [1, gates * hidden, width],
    [1, gates * hidden, hidden],
  ].map((dims) => scope.constant(scope.tensor('float', dims)));
  const bias = random.chance(0.5) ? [scope.constant(scope.tensor('float', [1, 2 * gates * hidden]))] : [];
  const attributes = [intAttribute('hidden_size', hidden)];
  if (random.chance(0.3)) attributes.push(stringAttribute('direction', 'reverse'));
  const wanted = random.from([
    [true, false],
    [false, true],
    [true, true],
  ] as const);
  const outputs = wanted.map((given, index) => (given ? scope.b.editor.freshName(`${opType}_${index}`) : null));
  while (outputs.at(-1) === null) outputs.pop();
  const made = scope.b.ops(opType, [x.value, ...weights, ...bias], { attributes, outputs });
  const [length, batch] = [x.dims[0]!, x.dims[1]!];
  const all = [length, scope.size(1), batch, scope.size(hidden)];
  const last = [scope.size(1), batch, scope.size(hidden)];
  for (const [index, value] of made.entries()) {
    const dims = wanted[0] && index === 0 ? all : last;
    scope.keep(value, { dtype: 'float', dims, bound: 1, moved: false });
  }
}

const domain = 'local';

/** A call of a function of the model's own, which reads an attribute that the call gives or leaves to its default. */
function call(scope: Scope): void {
  const x = scope.pick(isFloat);
  if (x === undefined) return;
  const { editor } = scope.b;
  const { model } = editor;
  const name = scope.random.from(['Bend', 'Fold']);
  const known = [...model.functions.values()].some((fn) => fn.name === name);
  if (!known) {
    const attributeDefaults = new Map([['slope', floatAttribute('slope', 0.25)]]);
    const fn = editor.addFunction({ name, domain, overload: '', attributeNames: [], attributeDefaults });
    editor.setOpsetImport(domain, 1);
    editor.setOpsetImport('', scope.opset, fn);
    const input = editor.addInput(fn.graph, 'x', tensorType('float'));
    const node = editor.insertNode({
      graph: fn.graph,
      opType: 'LeakyRelu',
      inputs: [input],
      outputs: 1,
      attributes: [{ name: 'alpha', kind: 'reference', value: 'slope' }],
    });
    const opType = name === 'Bend' ? 'Tanh' : 'Identity';
    const last = editor.insertNode({ graph: fn.graph, opType, inputs: [node.outputs[0]!], outputs: 1 });
    editor.addOutput(fn.graph, last.outputs[0]!, 'y');
  }
  const attributes = scope.random.chance(0.5) ? [floatAttribute('slope', 0.5)] : [];
  const value = scope.b.op(name, [x.value], { domain, attributes });
  scope.keep(value, { dtype: 'float', dims: x.dims, bound: name === 'Bend' ? 1 : x.bound, moved: false });
}

export const layerSteps: readonly Step[] = [
  { weight: 0.7, apply: recurrent },
  { weight: 0.5, apply: call },
];
