/* A map over an X-ray: model/image/heatmap.c once more, for the report and for the page that the server serves. A view that wants one
 * drawn brings its scale, as the server has it: {full, opacity, raises, lowers}. */
globalThis.Heat = (() => {
    'use strict';

    /* Between which two cells a pixel lies, and how far towards the second. */
    function between(pixel, pixels, cells) {
        const at = (pixel + 0.5) * cells / pixels - 0.5, low = Math.floor(at);

        return { a: Math.max(low, 0), b: Math.min(Math.max(low + 1, 0), cells - 1), part: at - low };
    }

    /* The alpha, 0 to 1, of a cell of so many logits. */
    const alpha = (v, scale) => scale.opacity * Math.min(1, Math.abs(v) / scale.full);

    /* RGBA of the map stretched to a width and a height: to be laid over the picture. */
    function pixels(grid, scale, width, height) {
        const rgba = new Uint8ClampedArray(4 * width * height);
        const across = Array.from({ length: width }, (_, x) => between(x, width, grid[0].length));
        let i = 0;

        for (let y = 0; y < height; y++) {
            const down = between(y, height, grid.length), below = grid[down.b];
            const row = grid[down.a].map((v, x) => v * (1 - down.part) + below[x] * down.part);

            for (const { a, b, part } of across) {
                const v = row[a] * (1 - part) + row[b] * part, colour = v < 0 ? scale.lowers : scale.raises;

                rgba[i++] = colour[0];
                rgba[i++] = colour[1];
                rgba[i++] = colour[2];
                rgba[i++] = Math.round(255 * alpha(v, scale));
            }
        }
        return rgba;
    }

    function draw(canvas, grid, scale, width, height) {
        canvas.width = width;
        canvas.height = height;
        canvas.getContext('2d').putImageData(new ImageData(pixels(grid, scale, width, height), width, height), 0, 0);
    }

    /* The colours from -full at the left to full at the right, over a middling grey. */
    function drawBar(canvas, scale) {
        const pen = canvas.getContext('2d');

        for (let x = 0; x < canvas.width; x++) {
            const v = scale.full * (2 * (x + 0.5) / canvas.width - 1), part = alpha(v, scale);
            const colour = (v < 0 ? scale.lowers : scale.raises).map((c) => Math.round(96 * (1 - part) + c * part));

            pen.fillStyle = `rgb(${colour.join()})`;
            pen.fillRect(x, 0, 1, canvas.height);
        }
    }
    return { draw, drawBar };
})();
