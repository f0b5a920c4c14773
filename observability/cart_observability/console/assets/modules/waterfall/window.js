/** The part of the axis that is looked at: zooming and moving, by pointer, wheel and keys. */

const NARROWEST = 1e-6;
const CLOSER = 0.6;
const STEP = 0.2;

export class Window {
    /** @param {() => void} changed */
    constructor(changed) {
        this.changed = changed;
        this.left = 0;
        this.right = 1;
    }

    get whole() {
        return this.left === 0 && this.right === 1;
    }

    /**
     * From a share of the whole axis to one of what is looked at.
     *
     * @param {number} share
     */
    at(share) {
        return (share - this.left) / (this.right - this.left);
    }

    /**
     * The way back.
     *
     * @param {number} share
     */
    from(share) {
        return this.left + share * (this.right - this.left);
    }

    /**
     * @param {number} left
     * @param {number} right
     */
    show(left, right) {
        const width = Math.min(1, Math.max(NARROWEST, right - left));
        this.left = Math.min(Math.max(0, left), 1 - width);
        this.right = this.left + width;
        this.changed();
    }

    /**
     * @param {boolean} closer
     * @param {number} around Share of the whole axis that keeps its place.
     */
    zoom(closer, around = (this.left + this.right) / 2) {
        const factor = closer ? CLOSER : 1 / CLOSER;
        this.show(around - (around - this.left) * factor, around + (this.right - around) * factor);
    }

    /** @param {number} steps */
    move(steps) {
        const by = steps * STEP * (this.right - this.left);
        this.show(this.left + by, this.right + by);
    }

    /**
     * Zoom by dragging over an element, by the wheel with Ctrl; move by the wheel sideways or with Shift.
     *
     * @param {HTMLElement} element Whose width is that of what is looked at.
     * @param {HTMLElement} mark Shown while dragging.
     */
    listen(element, mark) {
        const share = (/** @type {MouseEvent} */ { clientX }) => {
            const { left, width } = element.getBoundingClientRect();
            return Math.min(1, Math.max(0, (clientX - left) / width));
        };
        element.addEventListener("pointerdown", (event) => {
            if (event.button === 0) {
                event.preventDefault();
                this.drag(element, mark, share(event), share);
                element.setPointerCapture(event.pointerId);
            }
        });
        element.addEventListener("dblclick", () => this.show(0, 1));
        element.addEventListener("wheel", (event) => this.wheel(event, share(event)), { passive: false });
    }

    /**
     * @param {HTMLElement} element
     * @param {HTMLElement} mark
     * @param {number} begin
     * @param {(event: MouseEvent) => number} share
     */
    drag(element, mark, begin, share) {
        let end = begin;
        const move = (/** @type {PointerEvent} */ event) => {
            end = share(event);
            mark.hidden = false;
            mark.style.left = `${Math.min(begin, end) * 100}%`;
            mark.style.width = `${Math.abs(end - begin) * 100}%`;
        };
        const stop = () => {
            element.removeEventListener("pointermove", move);
            mark.hidden = true;
            if (Math.abs(end - begin) > 0.01) {
                this.show(this.from(Math.min(begin, end)), this.from(Math.max(begin, end)));
            }
        };
        element.addEventListener("pointermove", move);
        element.addEventListener("pointerup", stop, { once: true });
    }

    /**
     * @param {WheelEvent} event
     * @param {number} share
     */
    wheel(event, share) {
        const sideways = event.shiftKey ? event.deltaY : event.deltaX;
        if (event.ctrlKey) {
            event.preventDefault();
            this.zoom(event.deltaY < 0, this.from(share));
        } else if (sideways && !this.whole) {
            event.preventDefault();
            this.move(Math.sign(sideways) * 0.5);
        }
    }
}
