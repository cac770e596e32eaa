/** `1 device`, `3 devices`. @param noun in the singular, one that takes an s */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
