/**
 * How a series is drawn. A handler looks the same on every chart, and so does all else that has one name.
 *
 * @typedef {{colour: string, dash: number[] | undefined}} Look `colour` is the name of a custom property.
 */

const COLOURS = 8;
/** Quantiles by what they mean, not by who came first. */
const FIXED = new Map([
    ["p50", 2],
    ["p95", 0],
    ["p99", 1],
    ["mean", 6],
]);
/** What tells series of one colour apart on one chart. */
const DASHES = [undefined, [6, 3], [2, 2], [9, 3, 2, 3]];
/** @type {string[]} */
let handlers = [];
/** @type {Map<string, number>} */
const given = new Map();

/**
 * Name the handlers: the first colours are theirs, in alphabetical order.
 *
 * @param {string[]} names
 */
export function nameHandlers(names) {
    if (names.some((name) => !handlers.includes(name))) {
        handlers = [...new Set([...handlers, ...names])].sort();
    }
}

/**
 * @param {string[]} labels Of one chart, in its order.
 * @returns {Look[]}
 */
export function looks(labels) {
    /** @type {Map<number, number>} */
    const used = new Map();
    return labels.map((label) => {
        const number = numberOf(label, labels.length === 1);
        const before = used.get(number) ?? 0;
        used.set(number, before + 1);
        return { colour: `--series-${number + 1}`, dash: DASHES[before % DASHES.length] };
    });
}

/**
 * @param {string} label
 * @param {boolean} alone
 */
function numberOf(label, alone) {
    const fixed = FIXED.get(label);
    if (fixed !== undefined) {
        return fixed;
    }
    // A queue or an outcome has the colour of the handler in its name.
    const handler = handlers.findIndex((name) => label.split(/[^\w-]+/).includes(name));
    if (handler >= 0) {
        return handler % COLOURS;
    }
    // Alone on its chart a series takes no colour away from those that have to be told apart.
    return alone ? 0 : turn(label);
}

/** @param {string} label */
function turn(label) {
    const number = given.get(label) ?? given.size;
    given.set(label, number);
    return (handlers.length + number) % COLOURS;
}
