/** How commands are sent, synchronous or not, and what that makes of the answer. */
import { fill, h } from "/modules/dom.js";
import { milliseconds } from "/modules/format.js";

/**
 * @typedef {import("./till.js").Answer} Answer
 * @typedef {"asynchronous" | "synchronous"} Mode
 */

const KEY = "cartscope.mode";
const WAIT_SECONDS = 5;
/** @type {Record<Mode, {asks: string, about: string}>} */
const MODES = {
    asynchronous: { asks: "no Prefer", about: "answered as soon as the event is kept" },
    synchronous: { asks: `Prefer: wait=${WAIT_SECONDS}`, about: "answered when every handler has reported" },
};
const NAMES = /** @type {Mode[]} */ (Object.keys(MODES));

export class AnswerView {
    constructor() {
        /** @type {Mode} */
        this.mode = NAMES.find((mode) => mode === localStorage.getItem(KEY)) ?? "asynchronous";
        this.said = "";
        this.lines = Object.fromEntries(NAMES.map((mode) => [mode, h("td", { class: "shop-answer quiet" }, "not sent yet")]));
        this.element = h(
            "section",
            { class: "card shop-answers", "aria-labelledby": "shop-answers" },
            h("h2", { id: "shop-answers" }, "How commands are sent"),
            h("table", {}, head(), h("tbody", {}, NAMES.map((mode) => this.line(mode)))),
        );
    }

    /** Seconds that the API is asked to wait; null for none. */
    get wait() {
        return this.mode === "synchronous" ? WAIT_SECONDS : null;
    }

    /** @param {Mode} mode */
    line(mode) {
        const radio = h("input", { type: "radio", name: "shop-mode", id: `shop-${mode}`, checked: mode === this.mode });
        radio.addEventListener("change", () => {
            this.mode = mode;
            localStorage.setItem(KEY, mode);
        });
        const { asks, about } = MODES[mode];
        return h(
            "tr",
            {},
            h("th", { scope: "row" }, radio, " ", h("label", { for: `shop-${mode}` }, mode), h("div", { class: "small shop-about" }, about)),
            h("td", {}, h("code", {}, asks)),
            this.lines[mode],
        );
    }

    /**
     * @param {Answer} answer
     * @param {number | null} wait
     */
    show(answer, wait) {
        const { status, duration_ms, event, repeated } = answer;
        const handlers = Object.keys(event.results);
        const meaning = status === 200 ? `OK, with the results of ${handlers.join(" and ")}` : "Accepted, its handlers are at work";
        const late = wait !== null && status !== 200 ? `; not all reported within ${wait} s` : "";
        const line = this.lines[wait === null ? "asynchronous" : "synchronous"];
        line.className = "shop-answer";
        fill(
            line,
            h("strong", { class: "shop-took" }, milliseconds(duration_ms)),
            h("span", { class: "badge good" }, String(status)),
            h("span", {}, `${meaning}${late}`),
            repeated && h("span", { class: "badge", title: "The same Idempotency-Key: nothing happened twice" }, "same event again"),
        );
        this.said = `Answer ${status} after ${milliseconds(duration_ms)}: ${meaning}${late}.`;
    }
}

function head() {
    return h(
        "thead",
        {},
        h("tr", {}, ["Mode", "Header", "Last answer"].map((name) => h("th", { scope: "col" }, name))),
    );
}
