/** Chooses the time range: how much of the last time, the whole run, or what was paused or zoomed to. */
import { fill, h } from "../dom.js";
import { dateTime, duration, time } from "../format.js";

/** @type {[string, string][]} */
const CHOICES = [
    ["300", "Last 5 min"],
    ["900", "Last 15 min"],
    ["3600", "Last 60 min"],
    ["whole", "Whole run"],
];
const DAY_MS = 86_400_000;

/**
 * @param {import("../range.js").Range} range
 * @returns {HTMLElement}
 */
export function rangeControl(range) {
    const select = h("select", {
        "aria-label": "Time range",
        onchange: () => (select.value === "whole" ? range.whole() : range.last(Number(select.value))),
    });
    const button = h("button", { type: "button", onclick: () => (range.live ? range.pause() : range.resume()) });
    const draw = () => {
        const { value, choices } = choicesOf(range.current);
        fill(
            select,
            choices.map(([id, text]) => h("option", { value: id }, text)),
        );
        select.value = value;
        button.textContent = range.live ? "Pause" : "Go live";
        button.title = range.live ? "Stay at this time range" : "Move on with time again";
    };
    range.onChange(draw);
    draw();
    return h("div", { class: "shell-range", role: "group", "aria-label": "Time" }, select, button);
}

/**
 * @param {import("../range.js").Span} span
 * @returns {{value: string, choices: [string, string][]}}
 */
function choicesOf(span) {
    if (span.kind === "fixed") {
        return { value: "fixed", choices: [...CHOICES, ["fixed", ends(span.from, span.to)]] };
    }
    const value = span.kind === "whole" ? "whole" : String(span.seconds);
    const known = CHOICES.some(([id]) => id === value);
    return { value, choices: known ? CHOICES : [...CHOICES, [value, `Last ${duration(Number(value))}`]] };
}

/**
 * @param {number} from
 * @param {number} to
 */
function ends(from, to) {
    return to - from < DAY_MS ? `${time(from)} – ${time(to)}` : `${dateTime(from)} – ${dateTime(to)}`;
}
