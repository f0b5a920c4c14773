/** What is marked on a chart: stretches of time in which a fault was on, and moments. Their texts share one line. */
import { h } from "../dom.js";
import { time } from "../format.js";
import { faultsIn } from "../marks.js";

/**
 * @typedef {import("../marks.js").Mark} Mark
 * @typedef {import("/vendor/uPlot.js")} Drawing
 * @typedef {{left: number, right: number, texts: string[], told: string[], kind: "fault" | "mark"}} Marked In px.
 */

/** Moments nearer than this share a line and a text. */
const TOGETHER_PX = 28;
/** A fault that is on in several handlers began there at about one time: it is one stretch. */
const SAME_PX = 8;
const LEAST_ROOM_PX = 90;

/**
 * @param {Drawing} plot
 * @param {Mark[]} marks Oldest first.
 * @returns {HTMLElement[]}
 */
export function marked(plot, marks) {
    const { width } = plot.over.getBoundingClientRect();
    const all = [...stretches(plot, marks, width), ...moments(plot, marks)].sort((one, other) => one.left - other.left);
    return all.map(({ left, right, texts, told, kind }, index) =>
        h(
            "div",
            {
                class: [`chart-${kind}`, side(left, width)],
                title: told.join("\n"),
                style: {
                    left: `${left}px`,
                    width: `${right - left}px`,
                    "--room": room(left, all[index - 1]?.left, all[index + 1]?.left, width),
                },
            },
            h("span", {}, texts[0], texts.length > 1 && ` +${texts.length - 1}`),
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
    const groups = Map.groupBy(placed, ({ left, right }) => `${near(left)} ${near(right)}`);
    return [...groups.values()].map((group) => ({
        left: group[0].left,
        right: group[0].right,
        texts: group.map(({ text }) => text),
        told: group.map(told),
        kind: "fault",
    }));
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
 * The same for places that cannot be told apart.
 *
 * @param {number} px
 */
function near(px) {
    return Math.round(px / SAME_PX);
}

/**
 * @param {Drawing} plot
 * @param {number} ms
 * @param {number} otherwise Where it is when it has no end there.
 */
function at(plot, ms, otherwise) {
    return Number.isFinite(ms) ? plot.valToPos(ms, "x") : otherwise;
}

/**
 * What has just begun stands at the right edge, where its text has no room but on the left.
 *
 * @param {number} left px
 * @param {number} width Of the drawing, px.
 */
function side(left, width) {
    return width - left < LEAST_ROOM_PX && "chart-text-left";
}

/**
 * How long a text may be, not to run into the next.
 *
 * @param {number} left px
 * @param {number | undefined} before Where the one before is.
 * @param {number | undefined} after Where the next one is.
 * @param {number} width Of the drawing, px.
 */
function room(left, before, after, width) {
    // Two texts that stand towards each other share what is between them.
    const toTheLeft = before === undefined ? left : (left - before) / (side(before, width) ? 1 : 2);
    const toTheRight = after === undefined ? width - left : (after - left) / (side(after, width) ? 2 : 1);
    return `${Math.max(0, (side(left, width) ? toTheLeft : toTheRight) - 4)}px`;
}
