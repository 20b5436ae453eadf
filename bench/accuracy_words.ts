import { uniformNumbers } from './decoder_model.js';

const words =
  `about above after again air all along also always animal answer apple around ask back ball bank bed before
begin below best better bird black blue board boat body book both bread bridge bring brother build busy call came car
carry chair child city clean clear close cloud coast cold colour come corner count cover cross dark day deep door down
draw dream drive early earth east easy eight end enough evening every face fall family farm fast field fire first fish
five floor flower follow food forest four friend front full garden give glass gold good grass great green ground half
hand happy hard harbour head hear heart heavy help high hill home horse hour house ice island jacket journey jump just
keep key kind king kitchen lake lamp language large last late laugh leaf learn left letter light line list little long
look loud low machine map market meadow measure middle milk minute month moon morning mountain mouse move music name
narrow near never new night noise north number ocean often oil old open orange order other paper part path pencil people
picture piece place plain plant point pool quick quiet rain ready red rest river road rock room round run salt sand
school sea season second seven shape ship shop short side silver simple sing size sky sleep slow small snow song sound
south spring stand star start station stone story street strong summer sun table tall ten thing three time today town
train tree turn twelve two under until valley village voice walk wall warm wash watch water week west wheel white wide
wind window winter wood word work world write yard year yellow young zebra`.split(/\s+/);

/** A source of choices that are the same for the same seed. */
export type Chooser = {
  /** In [from, to). */
  number(from: number, to: number): number;
  /** In from…to, both included. */
  integer(from: number, to: number): number;
  one<T>(list: readonly T[]): T;
  chance(share: number): boolean;
};

export function chooser(seed: number): Chooser {
  const uniform = uniformNumbers(Math.imul(seed + 1, 0x9e3779b1) >>> 0);
  // The first numbers of neighbouring seeds are alike.
  for (let skip = 0; skip < 8; skip += 1) uniform();
  const number = (from: number, to: number) => from + uniform() * (to - from);
  const integer = (from: number, to: number) => Math.floor(number(from, to + 1));
  return { number, integer, one: (list) => list[integer(0, list.length - 1)]!, chance: (share) => uniform() < share };
}

/** Words with now and then a capital, a number, a date or a price, and an end mark. */
export function textLine(choose: Chooser, most: number): string {
  const parts = Array.from({ length: choose.integer(1, most) }, (_, index) => {
    if (choose.chance(0.12)) return number(choose);
    const word = choose.one(words);
    if (choose.chance(0.08)) return word.toUpperCase();
    return index === 0 || choose.chance(0.2) ? word[0]!.toUpperCase() + word.slice(1) : word;
  });
  return parts.join(' ') + (choose.chance(0.25) ? choose.one(['.', '!', '?', ':']) : '');
}

function number(choose: Chooser): string {
  const digits = (count: number) => Array.from({ length: count }, () => choose.integer(0, 9)).join('');
  switch (choose.integer(0, 3)) {
    case 0:
      return String(choose.integer(1, 99_999));
    case 1:
      return `${choose.integer(1, 28)}/${choose.integer(1, 12)}/20${digits(2)}`;
    case 2:
      return `${choose.integer(1, 999)}.${digits(2)}`;
    default:
      return `${choose.one(['A', 'B', 'K', 'N', 'X'])}-${digits(4)}`;
  }
}
