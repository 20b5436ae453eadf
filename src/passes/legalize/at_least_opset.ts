// a model older than an operator that a later pass writes => the same model in the opset that has it
import { opsetVersion } from '../../ir/graph.js';
import { definePass, type Pass } from '../pass.js';
import { convertOpset } from './convert_opset.js';

/**
 * Raises a model to an opset where it is below; a newer one stays.
 * @throws DiagnosticError `convert/no-equivalent`, before anything has changed.
 */
export function atLeastOpset(version: number): Pass {
  const convert = convertOpset(version);
  return definePass({
    name: 'at-least-opset',
    summary: `a model below opset ${version} => the same model in opset ${version}`,
    scope: 'model',
    run(graph, context) {
      if ((opsetVersion(graph, '') ?? version) < version) return convert.run(graph, context);
    },
  });
}
