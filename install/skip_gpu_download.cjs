// onnxruntime-node's own install step fetches CUDA libraries from outside the npm registry on Linux x64 and fails the
// whole install where that host cannot be reached. It skips the download when the files are already there, and npm
// runs every package's preinstall before any postinstall; so unless the user asks for CUDA
// (ONNXRUNTIME_NODE_INSTALL=cuda12), empty placeholders are laid down. The CPU path never opens them.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const asked = process.env.ONNXRUNTIME_NODE_INSTALL || process.env.npm_config_onnxruntime_node_install;
if (!asked && process.platform === 'linux' && process.arch === 'x64') {
  try {
    const root = path.dirname(require.resolve('onnxruntime-node/package.json'));
    const folder = path.join(root, 'bin', 'napi-v6', 'linux', 'x64');
    for (const name of ['cuda', 'shared', 'tensorrt']) {
      const file = path.join(folder, `libonnxruntime_providers_${name}.so`);
      if (fs.existsSync(folder) && !fs.existsSync(file)) fs.writeFileSync(file, '');
    }
  } catch {
    // Not laid out yet or not resolvable with this package manager: its own install step decides.
  }
}
