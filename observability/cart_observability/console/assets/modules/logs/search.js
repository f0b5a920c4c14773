/** The search box of the logs: its language is explained beside it, and what cannot be read is marked. */
import { fill, h } from "../dom.js";
import { Problem } from "../api.js";

/** @type {[string, string][]} */
const EXAMPLES = [
    ["handled", "a word in the message, an error or any value"],
    ['"mail server"', "a phrase"],
    ["log.level:error", "a field's value"],
    ["event.action:event.*", "a value that begins so"],
    ["error.message:*", "lines that have the field"],
    ["cartscope.attempt>=2", "a number's size"],
    ["event.duration:[1000000 TO *]", "a range, here from 1 ms on"],
    ["log.level:error OR log.level:warning", "one or the other"],
    ["-service.name:cartscope-api handled", "without the one and with the other"],
    ['NOT (retried "dead letter")', "without both together"],
];

export class Search {
    /** @param {(query: string) => void} asked */
    constructor(asked) {
        this.input = h("input", {
            type: "search",
            class: "mono",
            "aria-label": "Search in log lines",
            "aria-describedby": "logs-failure",
            placeholder: 'word  "a phrase"  field:value  field>=10  AND OR NOT ( )',
            autocomplete: "off",
            spellcheck: "false",
        });
        this.failure = h("div", { class: "failure", id: "logs-failure", role: "alert", hidden: true });
        const help = h("div", { class: "shell-panel logs-help", id: "logs-help", popover: "auto" }, this.help(asked));
        const submit = (/** @type {Event} */ event) => (event.preventDefault(), asked(this.input.value.trim()));
        this.form = h(
            "form",
            { class: "logs-search", role: "search", "aria-label": "Log lines", onsubmit: submit },
            this.input,
            h("button", { type: "submit", class: "primary" }, "Search"),
            h("button", { type: "button", popovertarget: "logs-help" }, "Help"),
            help,
        );
        // The cross in the box empties it without sending it.
        this.input.addEventListener("search", () => this.input.value === "" && asked(""));
    }

    /** @param {string} query */
    show(query) {
        this.input.value = query;
        this.fine();
    }

    fine() {
        this.failure.hidden = true;
        this.input.removeAttribute("aria-invalid");
    }

    /**
     * Say what is wrong, and where.
     *
     * @param {unknown} error
     * @param {string} query
     */
    fail(error, query) {
        const position = error instanceof Problem ? error.body.position : undefined;
        this.failure.hidden = false;
        const words = error instanceof Error ? error.message : String(error);
        if (typeof position !== "number") {
            this.failure.textContent = words;
            return;
        }
        this.input.setAttribute("aria-invalid", "true");
        const [before, at, after] = [
            query.slice(0, position),
            query.slice(position, position + 1),
            query.slice(position + 1),
        ];
        fill(
            this.failure,
            h("code", {}, before, h("mark", {}, at || " "), after),
            h("div", {}, `Character ${position + 1}: ${words}`),
        );
    }

    /** @param {(query: string) => void} asked */
    help(asked) {
        const example = ([text, meaning] = ["", ""]) => [
            h(
                "dt",
                {},
                h(
                    "button",
                    { type: "button", class: "plain mono", popovertarget: "logs-help", onclick: () => asked(text) },
                    text,
                ),
            ),
            h("dd", {}, meaning),
        ];
        return [
            h("h2", {}, "How to search"),
            h(
                "p",
                {},
                "What stands side by side must all hold, and AND binds closer than OR. Choose an example to try it.",
            ),
            h("dl", {}, EXAMPLES.flatMap(example)),
        ];
    }
}
