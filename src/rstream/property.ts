// Looking into things that Node keeps to itself: what is not where we look for it is undefined, never an error.

export function property(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined;
}
