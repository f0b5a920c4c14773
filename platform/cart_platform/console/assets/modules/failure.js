/** What could not be done, said in one place until it can be. */
import { h } from "/modules/dom.js";

export class Failure {
    element = h("p", { class: "failure", role: "alert", hidden: true });
    /** @type {Map<string, string>} What is wrong, by what was tried. */
    said = new Map();

    /**
     * Do something; what it fails by is said until the same succeeds.
     *
     * @param {string} what
     * @param {() => unknown} work
     */
    async attempt(what, work) {
        try {
            await work();
            this.said.delete(what);
        } catch (error) {
            this.said.set(what, error instanceof Error ? error.message : String(error));
        }
        const text = [...new Set(this.said.values())].join(" ");
        this.element.hidden = !text;
        // Said once, not at every attempt.
        if (this.element.textContent !== text) {
            this.element.textContent = text;
        }
    }
}
