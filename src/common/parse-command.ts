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

function oneLine(program: string, text: string): string {
  return `${program}: ${text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')}\n`;
}
