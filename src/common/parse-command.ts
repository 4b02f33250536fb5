// The command lines of the programs that use commander: mistakes are told in one line and end the process like everywhere.

import type { Command } from 'commander';
import { exitStatus } from './exit-status.ts';

/** The options in `argv`, which begins after the program's name. Prints help or what is wrong, and exits with 0 or 2. */
export function parseCommand<Options extends object>(command: Command, argv: readonly string[]): Options {
  return command
    .configureOutput({ outputError: (text, write) => write(oneLine(command.name(), text)) })
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? exitStatus.done : exitStatus.usage))
    .parse(argv, { from: 'user' })
    .opts<Options>();
}

/** commander puts a hint on a second line, and makes two sentences of a value and what is wrong with it. */
function oneLine(program: string, text: string): string {
  const words = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/ is invalid\. (.)/, (_, first: string) => ` is invalid: ${first.toLowerCase()}`);
  return `${program}: ${words}\n`;
}
