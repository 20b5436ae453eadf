import { expect, it } from 'vitest';
import * as api from '../src/index.js';

it('exports exactly the public API', () => {
  expect(Object.keys(api).sort()).toEqual([
    'CheckFailedError',
    'DiagnosticError',
    'Editor',
    'InvariantError',
    'any',
    'compareModels',
    'constant',
    'convertOpset',
    'decodeModel',
    'defineConfig',
    'definePass',
    'defineRewrite',
    'encodeModel',
    'explain',
    'findTarget',
    'formatDiagnostic',
    'formatModel',
    'inferTypes',
    'loadModel',
    'op',
    'opsetObstacles',
    'optimize',
    'optional',
    'rewritePass',
    'rules',
    'runPipeline',
    'saveModel',
    'simplifyPipeline',
    'summarizeCost',
    'summarizeModel',
    'targets',
    'verifyModel',
  ]);
});
