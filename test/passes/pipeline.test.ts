import { describe, expect, it } from 'vitest';
import { findTarget } from '../../src/backends/target.js';
import { DiagnosticError, InvariantError } from '../../src/ir/diagnostic.js';
import { definePass } from '../../src/passes/pass.js';
import { runPipeline } from '../../src/passes/pipeline.js';
import { eliminateDeadNodes } from '../../src/passes/simplify/eliminate_dead_nodes.js';
import { ModelBuilder } from '../build_model.js';

const target = findTarget('portable');

const build = () => {
  const b = new ModelBuilder();
  b.output(b.op('Neg', [b.input('x', [1])]), 'y');
  return b;
};

describe('a pipeline', () => {
  it('does not blame a pass for what the model came with', async () => {
    const b = build();
    b.editor.removeOpsetImport('');
    const run = runPipeline(b.editor.model, [{ pass: eliminateDeadNodes, reason: 'test' }], { target });
    await expect(run).rejects.toThrow(DiagnosticError);
    await expect(run).rejects.toThrow('verify/missing-opset');
  });

  it('names the pass that broke the model', async () => {
    const breaking = definePass({
      name: 'break-things',
      summary: 'a model => a broken one',
      scope: 'model',
      run: (_graph, { editor }) => editor.removeOpsetImport(''),
    });
    const run = runPipeline(build().editor.model, [{ pass: breaking, reason: 'test' }], { target });
    await expect(run).rejects.toThrow(InvariantError);
    await expect(run).rejects.toThrow('break-things');
  });
});
