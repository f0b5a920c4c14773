/** Asks for the token where the console listens beyond its own machine and the address did not bring it. */
import { Problem } from "../api.js";
import { h } from "../dom.js";
import { hold } from "../token.js";

const UNAUTHORISED = 401;

/**
 * What was asked for, once the console lets us in.
 *
 * @template Answer
 * @param {() => Promise<Answer>} ask
 * @param {boolean} [mayGiveUp] Whether there is something to see without it: giving up is then the refusal itself.
 * @returns {Promise<Answer>}
 */
export async function admitted(ask, mayGiveUp = false) {
    try {
        return await ask();
    } catch (error) {
        if (!(error instanceof Problem) || error.status !== UNAUTHORISED) {
            throw error;
        }
        const token = await typed(error.message, mayGiveUp);
        if (token === null) {
            throw error;
        }
        hold(token);
        return admitted(ask, mayGiveUp);
    }
}

/**
 * @param {string} reason
 * @param {boolean} mayGiveUp
 * @returns {Promise<string | null>}
 */
function typed(reason, mayGiveUp) {
    const input = h("input", { name: "token", required: true, autocomplete: "off", spellcheck: "false" });
    const form = h(
        "form",
        { class: "toolbar" },
        h("label", {}, "Token ", input),
        h("button", { class: "primary" }, "Enter"),
    );
    const dialog = h(
        "dialog",
        { "aria-labelledby": "admission" },
        h("h2", { id: "admission" }, "This console asks for its token"),
        h("p", {}, `${reason[0].toUpperCase()}${reason.slice(1)}.`),
        form,
    );
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            dialog.remove();
            resolve(input.value.trim());
        });
        dialog.addEventListener("cancel", (event) => {
            event.preventDefault();
            if (mayGiveUp) {
                dialog.remove();
                resolve(null);
            }
        });
    });
}
