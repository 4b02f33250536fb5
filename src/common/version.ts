// Which release this is: what images are tagged with, and what engines show of an agent.

/** The version in package.json. */
export const OPERATOR_VERSION = '0.1.0';
