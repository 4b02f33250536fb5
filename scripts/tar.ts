// Writes POSIX ustar archives, byte for byte the same for the same entries: no times, no owners but root.

export type TarEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array; readonly mode?: number };

const blockSize = 512;

/** The whole archive as pieces to be written one after the other. Paths have no leading slash. */
export function* tarArchive(entries: Iterable<TarEntry>): Generator<Uint8Array> {
  for (const entry of entries) {
    const content = entry.kind === 'file' ? entry.content : new Uint8Array();
    yield header(entry, content.length);
    if (content.length === 0) continue;
    yield content;
    const rest = content.length % blockSize;
    if (rest !== 0) yield new Uint8Array(blockSize - rest);
  }
  yield new Uint8Array(2 * blockSize);
}

function header(entry: TarEntry, size: number): Uint8Array {
  const path = entry.kind === 'directory' ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(path) > 100) throw new RangeError(`path is longer than 100 bytes: ${path}`);
  const mode = entry.mode ?? (entry.kind === 'directory' ? 0o755 : 0o644);
  const block = Buffer.alloc(blockSize);
  const octal = (value: number, offset: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');

  block.write(path, 0, 'utf8');
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(entry.kind === 'directory' ? '5' : '0', 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
