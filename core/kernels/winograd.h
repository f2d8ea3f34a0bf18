// Patches, tiles and filters into the form in which F(2 x 2, 3 x 3) multiplies them, and back, 16 channels a register.
#pragma once
#include "lanes.h"
#include "products.h"

namespace winograd {

constexpr int POINTS = 16;  // values of a transformed tile, 4 x 4
constexpr int BLOCK = 48;   // tiles that a thread convolves at once: 16 x 48 x 64 channels fit its level-2 cache
constexpr int MAX_CHANNELS = 4096;

alignas(64) const bf16 ZEROS[MAX_CHANNELS] = {};  // what lies outside of an image

inline Lanes half(Lanes a) { return times(a, all(0.5f)); }

// even[0] odd[0] even[1] odd[1] ... in bfloat16
inline __m512i interleave(Lanes even, Lanes odd, __m512i order) {
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}
inline __m512i interleaving() {
    alignas(64) uint16_t order[32];
    for (int i = 0; i < 16; i++) order[2 * i] = i, order[2 * i + 1] = 16 + i;
    return _mm512_load_si512(order);
}

struct Shape {
    int64_t images, height, width, channels;
    int64_t high() const { return (height + 1) / 2; }
    int64_t wide() const { return (width + 1) / 2; }
    int64_t tiles() const { return images * high() * wide(); }
};

struct Tile {  // the pixel in its upper left corner
    int64_t image, y, x;
};

inline Tile place(const Shape& s, int64_t tile) {
    int64_t inside = tile % (s.high() * s.wide());
    return {tile / (s.high() * s.wide()), inside / s.wide() * 2, inside % s.wide() * 2};
}

// Where the SIZE x SIZE pixels begin that start EDGE above and left of a tile.
template <int SIZE, int EDGE>
inline void find_pixels(const Shape& s, const bf16* images, int64_t tile, const bf16* pixels[SIZE * SIZE]) {
    Tile t = place(s, tile);
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            int64_t y = t.y + i - EDGE, x = t.x + j - EDGE;
            bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
            pixels[i * SIZE + j] = inside ? images + ((t.image * s.height + y) * s.width + x) * s.channels : ZEROS;
        }
}

// B^T d B of a patch of 4 x 4 pixels, in 16 channels.
inline void transform_patch(const bf16* const pixels[16], int64_t channel, Lanes v[POINTS]) {
    Lanes e[4][4];
    for (int j = 0; j < 4; j++) {
        Lanes d0 = widen(pixels[j] + channel), d1 = widen(pixels[4 + j] + channel);
        Lanes d2 = widen(pixels[8 + j] + channel), d3 = widen(pixels[12 + j] + channel);
        e[0][j] = minus(d0, d2), e[1][j] = plus(d1, d2), e[2][j] = minus(d2, d1), e[3][j] = minus(d1, d3);
    }
    for (int i = 0; i < 4; i++) {
        v[i * 4] = minus(e[i][0], e[i][2]), v[i * 4 + 1] = plus(e[i][1], e[i][2]);
        v[i * 4 + 2] = minus(e[i][2], e[i][1]), v[i * 4 + 3] = minus(e[i][1], e[i][3]);
    }
}

// A y A^T of a tile of 2 x 2 pixels: the transpose of what untransform_tile does.
inline void transform_tile(const bf16* const pixels[4], int64_t channel, Lanes v[POINTS]) {
    Lanes e[4][2], zero = _mm512_setzero_ps();
    for (int j = 0; j < 2; j++) {
        Lanes y0 = widen(pixels[j] + channel), y1 = widen(pixels[2 + j] + channel);
        e[0][j] = y0, e[1][j] = plus(y0, y1), e[2][j] = minus(y0, y1), e[3][j] = minus(zero, y1);
    }
    for (int i = 0; i < 4; i++) {
        v[i * 4] = e[i][0], v[i * 4 + 1] = plus(e[i][0], e[i][1]);
        v[i * 4 + 2] = minus(e[i][0], e[i][1]), v[i * 4 + 3] = minus(zero, e[i][1]);
    }
}

// G g G^T of a filter of 3 x 3 whose rows and columns lie `down` and `right` apart, in 16 input channels.
inline void transform_filter(const float* g, int64_t down, int64_t right, Lanes v[POINTS]) {
    Lanes e[4][3];
    for (int j = 0; j < 3; j++) {
        Lanes g0 = _mm512_loadu_ps(g + j * right), g1 = _mm512_loadu_ps(g + down + j * right);
        Lanes g2 = _mm512_loadu_ps(g + 2 * down + j * right), outer = plus(g0, g2);
        e[0][j] = g0, e[1][j] = half(plus(outer, g1)), e[2][j] = half(minus(outer, g1)), e[3][j] = g2;
    }
    for (int i = 0; i < 4; i++) {
        Lanes outer = plus(e[i][0], e[i][2]);
        v[i * 4] = e[i][0], v[i * 4 + 1] = half(plus(outer, e[i][1]));
        v[i * 4 + 2] = half(minus(outer, e[i][1])), v[i * 4 + 3] = e[i][2];
    }
}

// A^T m A: the tiles' pixels from their products m (16, BLOCK, WIDTH), in the WIDTH channels from `channel` on.
inline void untransform_tiles(const Shape& s, const float* m, int64_t first, int count, const float* bias,
                              int64_t channels, int64_t channel, bf16* to) {
    for (int b = 0; b < count; b++) {
        Tile t = place(s, first + b);
        for (int n = 0; n < WIDTH; n += 16) {
            Lanes shift = bias == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(bias + channel + n);
            Lanes e[2][4];
            for (int j = 0; j < 4; j++) {
                const float* at = m + (j * BLOCK + b) * WIDTH + n;
                Lanes m0 = _mm512_load_ps(at), m1 = _mm512_load_ps(at + 4 * BLOCK * WIDTH);
                Lanes m2 = _mm512_load_ps(at + 8 * BLOCK * WIDTH), m3 = _mm512_load_ps(at + 12 * BLOCK * WIDTH);
                e[0][j] = plus(plus(m0, m1), m2), e[1][j] = minus(minus(m1, m2), m3);
            }
            for (int i = 0; i < 2 && t.y + i < s.height; i++) {
                bf16* pixel = to + ((t.image * s.height + t.y + i) * s.width + t.x) * channels + channel + n;
                narrow(pixel, plus(plus(plus(e[i][0], e[i][1]), e[i][2]), shift));
                if (t.x + 1 < s.width) narrow(pixel + channels, plus(minus(minus(e[i][1], e[i][2]), e[i][3]), shift));
            }
        }
    }
}

// G^T m G: the gradients of ROWS x WIDTH filters from their sums m (16, ROWS, WIDTH).
inline void untransform_filters(const float* m, int64_t channels, float* to) {
    for (int r = 0; r < ROWS; r++)
        for (int n = 0; n < WIDTH; n += 16) {
            Lanes e[3][4];
            for (int j = 0; j < 4; j++) {
                Lanes q[4];
                for (int i = 0; i < 4; i++) q[i] = _mm512_load_ps(m + ((i * 4 + j) * ROWS + r) * WIDTH + n);
                Lanes sum = half(plus(q[1], q[2]));
                e[0][j] = plus(q[0], sum), e[1][j] = half(minus(q[1], q[2])), e[2][j] = plus(sum, q[3]);
            }
            for (int i = 0; i < 3; i++) {
                float* at = to + (r * 9 + i * 3) * channels + n;
                Lanes sum = half(plus(e[i][1], e[i][2]));
                _mm512_storeu_ps(at, plus(e[i][0], sum));
                _mm512_storeu_ps(at + channels, half(minus(e[i][1], e[i][2])));
                _mm512_storeu_ps(at + 2 * channels, plus(sum, e[i][3]));
            }
        }
}

}  // namespace winograd
