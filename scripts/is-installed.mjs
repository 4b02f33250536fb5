// Exits with 0 when node_modules holds exactly what package-lock.json names, so that `make` runs `npm ci` only when it must.
// Plain JavaScript, because it runs on whatever old Node the machine has before ours is installed.

import { readFileSync } from 'node:fs';

function packages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return {};
  }
}

const wanted = Object.entries(packages('package-lock.json')).filter(([path]) => path !== '');
const present = packages('node_modules/.package-lock.json');
const missing = wanted.filter(([path, entry]) => {
  const found = present[path];
  return found === undefined ? !entry.optional && !entry.devOptional : found.version !== entry.version;
});

process.exitCode = wanted.length > 0 && missing.length === 0 ? 0 : 1;
