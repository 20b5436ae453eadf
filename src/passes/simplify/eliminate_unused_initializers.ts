// an initializer nobody reads => gone
// Needs: it is not also a graph input (part of the model's signature) and no kept part of the file names it.
import { definePass } from '../pass.js';

export const eliminateUnusedInitializers = definePass({
  name: 'eliminate-unused-initializers',
  summary: 'an initializer nobody reads => gone',
  scope: 'graphs',
  run(graph, { editor }) {
    for (const value of [...graph.initializers]) {
      if (value.uses.size === 0 && !value.isInput && !value.pinned) editor.eraseInitializer(value);
    }
  },
});
