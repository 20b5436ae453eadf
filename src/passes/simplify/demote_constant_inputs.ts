// IR version 3 or older, weights listed as inputs => IR version 4, weights are initializers only
// Needs: an IR version under which no caller could override them, so that nothing a caller sees changes.
import { definePass } from '../pass.js';

const firstWithPlainInitializers = 4;

export const demoteConstantInputs = definePass({
  name: 'demote-constant-inputs',
  summary: 'IR version 3 or older, weights listed as inputs => IR version 4, weights are initializers only',
  scope: 'model',
  run(graph, { editor, model }) {
    if (model.irVersion >= firstWithPlainInitializers) return;
    for (const input of [...graph.inputs]) if (input.initializer !== null) editor.inputToInitializer(input);
    editor.setModelProperties({ irVersion: firstWithPlainInitializers });
  },
});
