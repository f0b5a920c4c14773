/** The marks of the time range in words: what the flags on the charts stand for, the newest first. */
import { fill, h } from "../dom.js";
import { time } from "../format.js";
import { faultsIn } from "../marks.js";

/** @typedef {{from: number, to: number, text: string, kind: string}} Said `to` is `from` where it is a moment. */

/** More are in a list to open. */
const MOST_AT_ONCE = 3;

/**
 * @param {import("../marks.js").Marks} marks
 * @returns {{element: HTMLElement, end: () => void}}
 */
export function marksList(marks) {
    const newest = h("div", { class: "charts-marks-newest" });
    const summary = h("summary", {});
    const list = h("ol", { class: "charts-marks-list" });
    const more = h("details", {}, summary, list);
    const element = h("div", { class: "charts-marks" });
    const draw = () => {
        const all = said(marks.list);
        element.hidden = all.length === 0;
        more.hidden = all.length <= MOST_AT_ONCE;
        summary.textContent = `all ${all.length} marks`;
        fill(newest, all.slice(0, MOST_AT_ONCE).map(shown));
        fill(
            list,
            all.map((one) => h("li", {}, shown(one))),
        );
    };
    element.append(newest, more);
    draw();
    return { element, end: marks.onChange(draw) };
}

/**
 * @param {import("../marks.js").Mark[]} marks
 * @returns {Said[]}
 */
function said(marks) {
    const moments = marks
        .filter(({ kind }) => kind !== "fault")
        .map((mark) => ({ ...mark, from: mark.time, to: mark.time }));
    const faults = faultsIn(marks).map((fault) => ({ ...fault, kind: "fault" }));
    return [...faults, ...moments].sort((one, other) => other.from - one.from);
}

/** @param {Said} said */
function shown({ from, to, text, kind }) {
    return h("span", { class: `charts-mark ${kind}` }, `${text} `, h("span", { class: "quiet" }, when(from, to)));
}

/**
 * @param {number} from
 * @param {number} to
 */
function when(from, to) {
    const [begin, end] = [from, to].map((ms) => (Number.isFinite(ms) ? time(ms) : null));
    if (from === to) {
        return begin;
    }
    return end === null ? `on since ${begin ?? "before"}` : `${begin ?? "…"} – ${end}`;
}
