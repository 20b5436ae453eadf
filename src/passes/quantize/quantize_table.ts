import { intAttribute } from '../../ir/attribute.js';
import { dataTypeCode } from '../../ir/data_type.js';
import type { Value } from '../../ir/graph.js';
import { floatTensor, tensorFromData } from '../../ir/tensor.js';
import type { LayerWriter } from './layer_writer.js';
import { rowCodes } from './row_codes.js';
import { finiteWeights, type TableLayer } from './weight_layer.js';

/** A table of 8 bits around zero [rows, columns], and a scale for each row [rows, 1]. */
export function writeTable(writer: LayerWriter, layer: TableLayer): readonly Value[] {
  const { node, weight, rows, columns } = layer;
  const options = { dtype: 'int8', limit: 127, scales: 'range' } as const;
  const { codes, scales } = rowCodes(finiteWeights(node, weight), rows, columns, options);
  return [
    writer.constant(`${weight.name}_rows`, tensorFromData('int8', [rows, columns], codes)),
    writer.constant(`${weight.name}_row_scales`, floatTensor(scales, [rows, 1])),
  ];
}

/** Gather(table, i) => Cast(Gather(codes, i)) · Gather(scales, i), in operators that every runtime has. */
export function gatherFromRows(writer: LayerWriter, layer: TableLayer, [codes, scales]: readonly Value[]): void {
  const { node } = layer;
  const indices = node.inputs[1]!;
  const picked = writer.op('Cast', [writer.op('Gather', [codes!, indices])], {
    attributes: [intAttribute('to', dataTypeCode('float'))],
  });
  writer.replace(node, writer.op('Mul', [picked, writer.op('Gather', [scales!, indices])]));
}
