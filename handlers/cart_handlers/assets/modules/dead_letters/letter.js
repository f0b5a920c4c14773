/**
 * One dead letter: a row, and below it all that is known of it.
 *
 * @typedef {{attempt: number, time: string, error: string, traceback: string}} Failure
 * @typedef {{id: string, queue: string, handler: string, reason: string, time: string, attempts: number,
 *     event_id: string | null, event_type: string | null, routing_key: string, content_type: string | null,
 *     headers: Record<string, unknown>, failures: Failure[], body?: string, body_base64?: string, bytes: number,
 *     cut: boolean}} Letter
 * @typedef {{choose: (on: boolean) => void, act: (act: "replay" | "purge") => void}} Wishes
 */
import { fill, h } from "/modules/dom.js";
import { count, dateTime, shortId, UNKNOWN } from "/modules/format.js";
import { contents } from "./contents.js";

export class LetterRows {
    /**
     * @param {Letter} letter
     * @param {Wishes} wishes
     */
    constructor(letter, wishes) {
        this.letter = letter;
        this.wishes = wishes;
        const detail = `letter-${letter.queue}-${letter.id}`;
        this.box = h("input", { type: "checkbox", "aria-label": `Choose ${nameOf(letter)} of ${letter.handler}` });
        this.box.addEventListener("change", () => wishes.choose(this.box.checked));
        this.more = h(
            "button",
            {
                type: "button",
                class: "plain",
                "aria-expanded": "false",
                "aria-controls": detail,
                "aria-label": `Details of ${nameOf(letter)} of ${letter.handler}`,
                onclick: () => this.toggle(),
            },
            "Details",
        );
        this.detail = h("td", { colspan: 8 });
        this.below = h("tr", { id: detail, class: "dead-letters-detail", hidden: true }, this.detail);
        this.element = h("tbody", {}, this.row(), this.below);
    }

    row() {
        const { letter } = this;
        const last = letter.failures.at(-1)?.error ?? "";
        return h(
            "tr",
            { class: "dead-letters-row" },
            h("td", {}, this.box),
            h("td", { class: "dead-letters-given" }, dated(letter.time)),
            h("td", {}, letter.handler),
            h("td", { class: "dead-letters-event" }, story(letter)),
            h("td", {}, h("span", { class: "badge bad" }, letter.reason)),
            h("td", { class: "number dead-letters-attempts" }, count(letter.attempts)),
            h("td", { class: "dead-letters-last", title: last }, last || UNKNOWN),
            h("td", {}, this.more),
        );
    }

    /** @param {boolean} on */
    choose(on) {
        this.box.checked = on;
    }

    toggle() {
        const open = this.below.hidden;
        this.below.hidden = !open;
        this.more.setAttribute("aria-expanded", String(open));
        if (open && !this.detail.hasChildNodes()) {
            fill(this.detail, this.details());
        }
    }

    details() {
        const { letter } = this;
        return h(
            "div",
            { class: "dead-letters-details" },
            h(
                "div",
                { class: "toolbar" },
                h("button", { type: "button", class: "primary", onclick: () => this.wishes.act("replay") }, "Replay this one"),
                h("button", { type: "button", class: "danger", onclick: () => this.wishes.act("purge") }, "Purge this one"),
            ),
            section("Message", facts(letter)),
            section("History", history(letter)),
            section("Headers", list(Object.entries(letter.headers))),
            section("Body", contents(letter)),
        );
    }
}

/** @param {Letter} letter */
function nameOf({ event_type, id }) {
    return event_type ?? `message ${shortId(id)}`;
}

/** @param {Letter} letter */
function story(letter) {
    if (letter.event_id === null) {
        return h("span", { class: "quiet" }, "no event that can be read");
    }
    return h("a", { href: `#/events/${encodeURIComponent(letter.event_id)}`, title: letter.event_id }, letter.event_type);
}

/** @param {string} time RFC 3339 */
function dated(time) {
    const ms = Date.parse(time);
    return Number.isNaN(ms) ? time || UNKNOWN : h("time", { datetime: time }, dateTime(ms));
}

/**
 * @param {string} title
 * @param {import("/modules/dom.js").Child} content
 */
function section(title, content) {
    return h("section", {}, h("h2", {}, title), content);
}

/** @param {Letter} letter */
function facts({ id, event_id, queue, routing_key, content_type, attempts, failures }) {
    return list([
        ["Dead letter", id],
        ["Event", event_id ?? "none that can be read"],
        ["Queue", queue],
        ["Routing key", routing_key],
        ["Content type", content_type ?? "not said"],
        ["Attempts", count(attempts)],
        ["Last error", failures.at(-1)?.error ?? "none: it was given up without an attempt"],
    ]);
}

/** @param {[string, unknown][]} pairs */
function list(pairs) {
    if (pairs.length === 0) {
        return h("p", { class: "quiet" }, "None.");
    }
    return h("dl", { class: "small" }, pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", { class: "mono" }, textOf(value))]));
}

/** @param {unknown} value */
function textOf(value) {
    return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** @param {Letter} letter */
function history({ failures }) {
    if (failures.length === 0) {
        return h("p", { class: "quiet" }, "No attempt failed: the message was refused as it came.");
    }
    return h("ol", { class: "dead-letters-history" }, failures.map(failed));
}

/** @param {Failure} failure */
function failed({ attempt, time, error, traceback }) {
    return h(
        "li",
        { value: attempt },
        h("span", {}, dated(time), " ", h("strong", {}, error)),
        traceback && h("details", {}, h("summary", { class: "small" }, "Traceback"), h("pre", { tabindex: 0 }, traceback)),
    );
}
