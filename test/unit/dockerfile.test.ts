/** The image is not built by tests; what can rot in its recipe is checked here. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const beside = fileURLToPath(new URL('../../../', import.meta.url));
const root = existsSync(join(beside, 'Dockerfile')) ? beside : process.cwd();
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ');
const ignored = new Set(readFileSync(join(root, '.dockerignore'), 'utf8').split('\n'));

t.test('what the first stage copies exists and reaches the build', async (t) => {
  const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.*)$/gm)].flatMap(([, words = '']) => words.split(/\s+/).slice(0, -1));
  t.ok(sources.length > 5, sources.join());
  t.same(sources.filter((source) => !existsSync(join(root, source))), []);
  t.same(sources.filter((source) => ignored.has(source.replace('./', ''))), []);
  const compiled = (JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { include: string[] }).include;
  const product = compiled.filter((folder) => folder !== 'bench' && folder !== 'test' && hasSources(folder));
  t.same(product.filter((folder) => !sources.includes(folder)), [], 'every folder of the product is compiled');
});

t.test('the second stage runs as the user that interception leaves alone', async (t) => {
  const stages = dockerfile.split(/^FROM /m);
  t.equal(stages.length, 3, 'two stages');
  t.match(stages[2], /^USER 1337:1337$/m);
  t.match(stages[2], /^ENTRYPOINT \["node", "\/outrider\/dist\/proxy\/main.js"\]$/m);
});

function hasSources(folder: string): boolean {
  const path = join(root, folder);
  return existsSync(path) && readdirSync(path, { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.ts'));
}
