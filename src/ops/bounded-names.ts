/** Tells the first so many names apart; later ones are `other`. */
export class BoundedNames {
  private readonly known = new Set<string>();
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  name(name: string): string {
    if (this.known.has(name)) return name;
    if (this.known.size >= this.most) return 'other';
    this.known.add(name);
    return name;
  }
}
