/** How the kinds of nodes look: each has a shape and an icon of its own, so that colour tells nothing alone. */

/** @typedef {{words: string, outline: (w: number, h: number) => string, icon: string}} Kind `icon`: in 16 by 16. */

/** @type {Record<string, Kind>} */
const KINDS = {
    caller: { words: "caller", outline: pill, icon: "M8 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6M2.5 14a5.5 4.5 0 0 1 11 0" },
    service: { words: "service", outline: box, icon: "M2 3h12v4H2zM2 9h12v4H2zM4.5 5h.01M4.5 11h.01" },
    store: {
        words: "store",
        outline: cylinder,
        icon: "M2.5 4c0-3 11-3 11 0s-11 3-11 0v8c0 3 11 3 11 0V4M2.5 8c0 3 11 3 11 0",
    },
    bus: { words: "bus", outline: hexagon, icon: "M1 8h14M4 8V4M12 8V4M8 8v4M4 3.99h.01M12 3.99h.01M8 12.01h.01" },
    queue: { words: "queue", outline: tray, icon: "M1.5 3.5v9M5 3.5v9M8.5 3.5v9M11 8h4m-2-2 2 2-2 2" },
    handler: { words: "handler", outline: cut, icon: "M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z" },
    results: { words: "results", outline: sheet, icon: "M2.5 8.5 6 12l7.5-8" },
    outside: { words: "outside", outline: dashed, icon: "M1.5 3.5h13v9h-13zl6.5 5 6.5-5" },
    failures: { words: "failed attempts", outline: tray, icon: "M3 3l10 10M13 3 3 13" },
};
/** @type {Kind} */
const OTHER = { words: "part", outline: box, icon: "M8 8h.01" };

/**
 * @param {string} kind
 * @returns {Kind}
 */
export function kindOf(kind) {
    return KINDS[kind] ?? { ...OTHER, words: kind };
}

/** The shapes are drawn round the middle (0, 0). */

/**
 * @param {number} w
 * @param {number} h
 */
function box(w, h) {
    return corners(w, h, 8);
}

/**
 * @param {number} w
 * @param {number} h
 */
function pill(w, h) {
    return corners(w, h, Math.min(h / 2, 26));
}

/**
 * @param {number} w
 * @param {number} h
 * @param {number} r
 */
function corners(w, h, r) {
    const [x, y] = [w / 2, h / 2];
    const arc = (/** @type {number} */ dx, /** @type {number} */ dy) => `a${r} ${r} 0 0 1 ${dx} ${dy}`;
    const [top, right] = [`M${r - x} ${-y}H${x - r}${arc(r, r)}`, `V${y - r}${arc(-r, r)}`];
    return `${top}${right}H${r - x}${arc(-r, -r)}V${r - y}${arc(r, -r)}z`;
}

/**
 * @param {number} w
 * @param {number} h
 */
function cylinder(w, h) {
    const [x, y, lid] = [w / 2, h / 2, 7];
    const sides = `M${-x} ${lid - y}V${y - lid}a${x} ${lid} 0 0 0 ${w} 0V${lid - y}`;
    return `${sides}a${x} ${lid} 0 0 0 ${-w} 0a${x} ${lid} 0 0 0 ${w} 0`;
}

/**
 * @param {number} w
 * @param {number} h
 */
function hexagon(w, h) {
    const [x, y, tip] = [w / 2, h / 2, 11];
    return `M${tip - x} ${-y}H${x - tip}L${x} 0L${x - tip} ${y}H${tip - x}L${-x} 0z`;
}

/**
 * Open to the left, where things come in.
 *
 * @param {number} w
 * @param {number} h
 */
function tray(w, h) {
    const [x, y] = [w / 2, h / 2];
    return `M${-x} ${-y}H${x}V${y}H${-x}l6 -9l-6 -9l6 -9l-6 -9l6 -9l-6 -9l6 -9z`;
}

/**
 * @param {number} w
 * @param {number} h
 */
function cut(w, h) {
    const [x, y, c] = [w / 2, h / 2, 10];
    return `M${c - x} ${-y}H${x - c}L${x} ${c - y}V${y - c}L${x - c} ${y}H${c - x}L${-x} ${y - c}V${c - y}z`;
}

/**
 * @param {number} w
 * @param {number} h
 */
function sheet(w, h) {
    const [x, y, fold] = [w / 2, h / 2, 14];
    return `M${-x} ${-y}H${x - fold}L${x} ${fold - y}V${y}H${-x}zM${x - fold} ${-y}V${fold - y}H${x}`;
}

/**
 * A frame within a frame: what is beyond the system.
 *
 * @param {number} w
 * @param {number} h
 */
function dashed(w, h) {
    return corners(w, h, 3) + corners(w - 7, h - 7, 2);
}
