/** The search box of the logs: its language is explained beside it, and what cannot be read is marked. */
import { fill, h } from "../dom.js";
import { Problem } from "../api.js";
import { examples } from "./examples.js";

export class Search {
    /**
     * @param {(query: string) => void} asked
     * @param {() => void} opened Its help was opened, which wants to know what there is to look for.
     */
    constructor(asked, opened) {
        this.asked = asked;
        this.explained = "";
        this.explains = false;
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
        this.examples = h("dl", {});
        const help = h("div", { class: "shell-panel logs-help", id: "logs-help", popover: "auto" }, this.help());
        help.addEventListener("toggle", (event) => {
            this.explains = /** @type {ToggleEvent} */ (event).newState === "open";
            this.explains && opened();
        });
        this.explain([]);
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

    /**
     * Give examples of what is there.
     *
     * @param {import("./fields.js").Field[]} fields
     */
    explain(fields) {
        const made = examples(fields);
        const text = JSON.stringify(made);
        // Made again, one that has the focus would lose it.
        if (text !== this.explained) {
            this.explained = text;
            fill(this.examples, made.flatMap((one) => this.example(one)));
        }
    }

    /** @param {import("./examples.js").Example} example */
    example([text, meaning]) {
        const asked = () => this.asked(text);
        const attributes = { type: "button", class: "plain mono", popovertarget: "logs-help", onclick: asked };
        return [h("dt", {}, h("button", attributes, text)), h("dd", {}, meaning)];
    }

    help() {
        return [
            h("h2", {}, "How to search"),
            h(
                "p",
                {},
                "What stands side by side must all hold, and AND binds closer than OR. Choose an example to try it.",
            ),
            this.examples,
        ];
    }
}
