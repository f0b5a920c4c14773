/**
 * What is marked on a chart: stretches of time in which a fault was on, and moments. Each has a flag above the drawing,
 * which says what it is to who points at it.
 */
import { h } from "../dom.js";
import { time } from "../format.js";
import { faultsIn } from "../marks.js";

/**
 * @typedef {import("../marks.js").Mark} Mark
 * @typedef {import("/vendor/uPlot.js")} Drawing
 * @typedef {{left: number, right: number, texts: string[], told: string[], kind: "fault" | "mark"}} Marked In px.
 */

/** Moments nearer than this share a line and a flag. */
const TOGETHER_PX = 12;
/** Faults that began and ended at about one time are one stretch. */
const SAME_PX = 8;

/**
 * @param {Drawing} plot
 * @param {Mark[]} marks Oldest first.
 * @returns {HTMLElement[]}
 */
export function marked(plot, marks) {
    const { width } = plot.over.getBoundingClientRect();
    return [...stretches(plot, marks, width), ...moments(plot, marks)].map(({ left, right, texts, told, kind }) =>
        h(
            "div",
            { class: `chart-${kind}`, style: { left: `${left}px`, width: `${right - left}px` } },
            h("span", { class: "chart-flag", title: told.join("\n") }, texts.join(", ")),
        ),
    );
}

/**
 * Whether a time is on the drawing.
 *
 * @param {Drawing} plot
 * @param {number} ms
 */
export function within(plot, ms) {
    const { min, max } = plot.scales.x;
    return ms >= (min ?? Infinity) && ms <= (max ?? -Infinity);
}

/**
 * The time that each fault was on.
 *
 * @param {Drawing} plot
 * @param {Mark[]} marks
 * @param {number} width px
 * @returns {Marked[]}
 */
function stretches(plot, marks, width) {
    const placed = faultsIn(marks)
        .map((fault) => ({ ...fault, left: at(plot, fault.from, 0), right: at(plot, fault.to, width) }))
        .filter(({ left, right }) => right >= 0 && left <= width)
        .map((fault) => ({ ...fault, left: Math.max(0, fault.left), right: Math.min(width, fault.right) }));
    /** @type {Marked[]} */
    const groups = [];
    for (const fault of placed) {
        const same = groups.find(({ left, right }) => near(left, fault.left) && near(right, fault.right));
        const own = { left: fault.left, right: fault.right, texts: [], told: [] };
        const group = same ?? { ...own, kind: /** @type {const} */ ("fault") };
        group.texts.push(fault.text);
        group.told.push(told(fault));
        if (!same) {
            groups.push(group);
        }
    }
    return groups;
}

/**
 * @param {Drawing} plot
 * @param {Mark[]} marks
 * @returns {Marked[]}
 */
function moments(plot, marks) {
    /** @type {Marked[]} */
    const groups = [];
    for (const mark of marks.filter(({ kind, time: ms }) => kind !== "fault" && within(plot, ms))) {
        const left = plot.valToPos(mark.time, "x");
        const last = groups.at(-1);
        const group = last && left - last.left < TOGETHER_PX ? last : null;
        const known = group ?? { left, right: left, texts: [], told: [], kind: /** @type {const} */ ("mark") };
        known.texts.push(mark.text);
        known.told.push(`${time(mark.time)} ${mark.text}`);
        if (!group) {
            groups.push(known);
        }
    }
    return groups;
}

/** @param {{text: string, from: number, to: number}} fault */
function told({ text, from, to }) {
    return `${text}, ${Number.isFinite(from) ? time(from) : "…"} – ${Number.isFinite(to) ? time(to) : "now"}`;
}

/**
 * Whether two places cannot be told apart.
 *
 * @param {number} one px
 * @param {number} other px
 */
function near(one, other) {
    return Math.abs(one - other) < SAME_PX;
}

/**
 * @param {Drawing} plot
 * @param {number} ms
 * @param {number} otherwise Where it is when it has no end there.
 */
function at(plot, ms, otherwise) {
    return Number.isFinite(ms) ? plot.valToPos(ms, "x") : otherwise;
}
