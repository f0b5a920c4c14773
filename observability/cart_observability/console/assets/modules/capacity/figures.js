/** Every figure of every handler, and what it says. */
import { fill, h } from "../dom.js";
import { UNKNOWN, count, duration, number, rate, share } from "../format.js";

/**
 * @typedef {import("./assessment.js").Assessment} Assessment
 * @typedef {import("./assessment.js").Capacity} Capacity
 * @typedef {import("./assessment.js").Figure} Figure
 * @typedef {{name: keyof Capacity, title: string, write: (value: Figure) => string, says: string,
 *     measuredOnly?: boolean}} Row
 */

/** @type {Row[]} */
const ROWS = [
    {
        name: "arrival_rate",
        title: "λ, arrivals",
        write: rate,
        says: "What comes: taken off its queue, and what the queue grew by.",
    },
    {
        name: "processing_seconds",
        title: "E[T], processing time",
        write: duration,
        says: "Mean time that one event costs a slot.",
    },
    {
        name: "slots",
        title: "c, slots",
        write: count,
        says: "Events that can be in work at once, in all its processes.",
    },
    {
        name: "busy_slots",
        title: "λ · E[T], slots busy",
        write: number,
        says: "How many are busy on average, however many there are.",
    },
    {
        name: "utilisation",
        title: "ρ = λ · E[T] / c",
        write: share,
        says: "Share of time a slot is busy; from 100 % on the backlog grows without end.",
    },
    {
        name: "service_rate",
        title: "c / E[T], most it can do",
        write: rate,
        says: "Events a second at which ρ is 100 %.",
    },
    {
        name: "headroom",
        title: "headroom",
        write: rate,
        says: "What may come on top before ρ passes 80 %; below nothing, it has.",
    },
    {
        name: "slots_needed",
        title: "slots needed",
        write: count,
        says: "The fewest with which ρ stays at 80 % or below.",
    },
    {
        name: "waiting_seconds",
        title: "wait for a slot",
        write: duration,
        says: "Mean, when events come at random (M/M/c).",
    },
    { name: "backlog", title: "backlog", write: count, says: "Events that wait in its queue now." },
    {
        name: "drain_seconds",
        title: "time to drain",
        write: duration,
        says: "Until the backlog is gone, while events go on coming.",
    },
    { name: "backlog_in_an_hour", title: "backlog in an hour", write: count, says: "If it goes on like this." },
    {
        name: "events_measured",
        title: "L, events under way",
        write: number,
        measuredOnly: true,
        says: "As it was seen: mean number in its queues, and its share of what is to be published.",
    },
    {
        name: "events_computed",
        title: "λ · W, by Little’s law",
        write: number,
        measuredOnly: true,
        says: "Rate times mean age when done. Far from L, the backlog grows or shrinks.",
    },
];

/**
 * @param {HTMLTableElement} table
 * @param {Assessment} measured
 * @param {Assessment | null} supposed
 */
export function drawFigures(table, measured, supposed) {
    const names = Object.keys(measured.handlers).sort();
    fill(
        table,
        h(
            "thead",
            {},
            h(
                "tr",
                {},
                h("th", { scope: "col" }, "Figure"),
                names.map((name) => h("th", { scope: "col", class: "number" }, name)),
                h("th", { scope: "col", class: "capacity-says" }, "What it says"),
            ),
        ),
        h(
            "tbody",
            {},
            ROWS.flatMap((row) => [line(row, names, measured, supposed), below(row, names.length)]),
        ),
    );
}

/**
 * @param {Row} row
 * @param {string[]} names
 * @param {Assessment} measured
 * @param {Assessment | null} supposed
 */
function line(row, names, measured, supposed) {
    return h(
        "tr",
        {},
        h("th", { scope: "row" }, row.title),
        names.map((name) => cell(row, measured.handlers[name], supposed?.handlers[name] ?? null)),
        h("td", { class: "capacity-says quiet" }, row.says),
    );
}

/**
 * What it says, where there is no room beside it.
 *
 * @param {Row} row
 * @param {number} handlers
 */
function below({ says }, handlers) {
    return h("tr", { class: "capacity-below" }, h("td", { colspan: handlers + 1 }, says));
}

/**
 * @param {Row} row
 * @param {Capacity} measured
 * @param {Capacity | null} supposed
 */
function cell({ name, write, measuredOnly }, measured, supposed) {
    const now = write(measured[name]);
    const then = supposed && !measuredOnly ? write(supposed[name]) : now;
    return h(
        "td",
        { class: "number" },
        now,
        then !== now &&
            h(
                "div",
                { class: "capacity-supposed" },
                h("span", { class: "unseen" }, "supposed "),
                `→ ${then || UNKNOWN}`,
            ),
    );
}
