/** What a chart does at the press of a key. */
import uPlot from "/vendor/uPlot.js";
import { h } from "../dom.js";
import { traceOf } from "./overlay.js";

/** @typedef {import("../chart.js").Chart} Chart */

/** The charts whose cursors move together. */
export const SYNC = "charts";
const PAGE = 20;
/** How much of the range is left by one zoom. */
const CLOSER = 0.25;

/**
 * @param {Chart} chart
 * @returns {(event: KeyboardEvent) => void}
 */
export function keys(chart) {
    return (event) => {
        const act = actsOf(chart)[event.key];
        if (act && !event.ctrlKey && !event.metaKey && !event.altKey && chart.answer?.times.length) {
            event.preventDefault();
            act();
        }
    };
}

/**
 * What the keys do, for a page that has charts: each chart refers to it.
 *
 * @returns {HTMLElement}
 */
export function keysHelp() {
    return h(
        "p",
        { id: "chart-keys", class: "quiet small" },
        "Drag over a chart to zoom in, double-click to go back. Keys on a chart: ← → move the cursor, + zooms in, ",
        "− goes back, Enter opens the trace of the nearest exemplar (◇).",
    );
}

/**
 * @param {Chart} chart
 * @returns {Record<string, () => void>}
 */
function actsOf(chart) {
    const times = chart.answer?.times ?? [];
    const at = chart.index ?? times.length - 1;
    const to = (/** @type {number} */ index) => point(times[Math.max(0, Math.min(times.length - 1, index))]);
    const back = () => chart.range.back();
    return {
        ArrowLeft: () => to(at - 1),
        ArrowRight: () => to(at + 1),
        PageUp: () => to(at - PAGE),
        PageDown: () => to(at + PAGE),
        Home: () => to(0),
        End: () => to(times.length - 1),
        "+": () => zoom(chart, times[at]),
        "-": back,
        Escape: back,
        Enter: () => open(chart, times[at]),
    };
}

/**
 * Put the cursor of all charts at a time.
 *
 * @param {number} ms
 */
function point(ms) {
    for (const plot of uPlot.sync(SYNC).plots) {
        plot.setCursor({ left: plot.valToPos(ms, "x"), top: 10 });
    }
}

/**
 * @param {Chart} chart
 * @param {number} ms
 */
function zoom(chart, ms) {
    const { from, to } = chart.range.bounds();
    const half = ((to - from) * CLOSER) / 2;
    chart.range.zoom(Math.max(from, ms - half), Math.min(to, ms + half));
}

/**
 * @param {Chart} chart
 * @param {number} ms
 */
function open(chart, ms) {
    const exemplar = chart.overlay.nearest(ms);
    if (exemplar) {
        chart.address.follow(traceOf(exemplar));
    }
}
