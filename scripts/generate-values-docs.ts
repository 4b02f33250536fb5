// Writes docs/values.md: every value of the Helm chart with its meaning and default, from the one definition of them.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { valuesDocument } from '../charts-ts/helm/values-files.ts';

const [path = join(import.meta.dirname, '..', 'docs/values.md')] = process.argv.slice(2);

writeFileSync(path, valuesDocument());
