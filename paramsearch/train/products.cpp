// Products of many small matrices, C = A B, in registers of 16 floats (AVX-512).
//
// Each matrix is computed in tiles of a few rows and one or two registers of columns, whose sums
// stay in registers. B is copied beforehand into panels that are as wide as a tile and as deep as
// DEPTH, which stay in the cache nearest to the core; for a few rows it is read where it is. Every
// element is summed in the order of the depth, whatever the number of threads.

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

namespace {

constexpr long LANES = 16;
constexpr long DEPTH = 256;  // of a panel
constexpr long FEW = 64;  // rows for which copying does not pay

struct Matrix {  // one of many, with the distances between matrices, rows and columns
    float* data;
    int64_t each, row, column;

    float* at(long which, long i, long j) const {
        return data + which * each + i * row + j * column;
    }
};

__mmask16 first(long lanes) {
    return lanes >= LANES ? 0xffff : (__mmask16)((1u << std::max(lanes, 0L)) - 1);
}

// Write the 16 rows of a square as its columns.
void transpose(__m512 (&r)[16]) {
    __m512 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            __m512d low = _mm512_castps_pd(t[i + j]), high = _mm512_castps_pd(t[i + j + 2]);
            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 4; j++) {
            t[i + j] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0x88);
            t[i + j + 4] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0xdd);
        }
    for (int j = 0; j < 8; j++) {
        r[j] = _mm512_shuffle_f32x4(t[j], t[j + 8], 0x88);
        r[j + 8] = _mm512_shuffle_f32x4(t[j], t[j + 8], 0xdd);
    }
}

// Copy a part of B, (depth, columns), to a panel of WIDE columns; zeros fill it up.
template <long WIDE>
void pack(const float* from, long row, long column, long depth, long columns, float* panel) {
    if (column == 1) {
        for (long p = 0; p < depth; p++)
            for (long j = 0; j < WIDE; j += LANES)
                _mm512_store_ps(panel + p * WIDE + j,
                                _mm512_maskz_loadu_ps(first(columns - j), from + p * row + j));
    } else if (row == 1) {
        for (long j = 0; j < WIDE; j += LANES)
            for (long p = 0; p < depth; p += LANES) {
                __m512 square[16];
                for (long l = 0; l < LANES; l++) {
                    __mmask16 which = j + l < columns ? first(depth - p) : 0;
                    square[l] = _mm512_maskz_loadu_ps(which, from + (j + l) * column + p);
                }
                transpose(square);
                for (long l = 0; l < std::min(LANES, depth - p); l++)
                    _mm512_store_ps(panel + (p + l) * WIDE + j, square[l]);
            }
    } else {
        for (long p = 0; p < depth; p++)
            for (long j = 0; j < WIDE; j++)
                panel[p * WIDE + j] = j < columns ? from[p * row + j * column] : 0.0f;
    }
}

// Compute ROWS rows of a panel's columns, whose rows are `next` apart; the first panel begins C,
// others add to it.
template <int ROWS, int VECTORS>
void tile(long depth, Matrix a, const float* panel, long next, Matrix c, long columns,
          bool begins) {
    __m512 sums[ROWS][VECTORS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < VECTORS; j++) sums[i][j] = _mm512_setzero_ps();
    for (long p = 0; p < depth; p++) {
        __m512 right[VECTORS];
        for (int j = 0; j < VECTORS; j++)
            right[j] = _mm512_loadu_ps(panel + p * next + j * LANES);
        for (int i = 0; i < ROWS; i++) {
            __m512 left = _mm512_set1_ps(*a.at(0, i, p));
            for (int j = 0; j < VECTORS; j++)
                sums[i][j] = _mm512_fmadd_ps(left, right[j], sums[i][j]);
        }
    }
    for (int j = 0; j < VECTORS; j++) {
        __mmask16 which = first(columns - j * LANES);
        for (int i = 0; i < ROWS; i++) {
            float* to = c.at(0, i, j * LANES);
            __m512 sum = sums[i][j];
            if (!begins) sum = _mm512_add_ps(_mm512_maskz_loadu_ps(which, to), sum);
            _mm512_mask_storeu_ps(to, which, sum);
        }
    }
}

// Compute the rows left over by tiles of more rows.
template <int ROWS, int VECTORS>
void remainder(long rows, long depth, Matrix a, const float* panel, long next, Matrix c,
               long columns, bool begins) {
    if constexpr (ROWS > 0) {
        if (rows == ROWS)
            tile<ROWS, VECTORS>(depth, a, panel, next, c, columns, begins);
        else
            remainder<ROWS - 1, VECTORS>(rows, depth, a, panel, next, c, columns, begins);
    }
}

template <int ROWS, int VECTORS>
void product(long m, long k, long n, Matrix a, Matrix b, Matrix c) {
    constexpr long WIDE = VECTORS * LANES;
    alignas(64) float panel[DEPTH * WIDE];
    for (long p = 0; p == 0 || p < k; p += DEPTH) {
        long depth = std::min(DEPTH, k - p);
        for (long j = 0; j < n; j += WIDE) {
            long columns = std::min(WIDE, n - j), i = 0;
            const bool direct = b.column == 1 && columns == WIDE && m <= FEW;
            if (!direct) pack<WIDE>(b.at(0, p, j), b.row, b.column, depth, columns, panel);
            const float* from = direct ? b.at(0, p, j) : panel;
            const long next = direct ? b.row : WIDE;
            Matrix left = a, to = c;
            for (; i + ROWS <= m; i += ROWS) {
                left.data = a.at(0, i, p), to.data = c.at(0, i, j);
                tile<ROWS, VECTORS>(depth, left, from, next, to, columns, p == 0);
            }
            left.data = a.at(0, i, p), to.data = c.at(0, i, j);
            remainder<ROWS - 1, VECTORS>(m - i, depth, left, from, next, to, columns, p == 0);
        }
    }
}

}  // namespace

// Multiply `count` matrices (m, k) by as many (k, n); the columns of the results lie side by side.
// Torch's compiler binds functions of this name to Python.
extern "C" void kernel(int64_t threads, int64_t count, int64_t m, int64_t k, int64_t n,
                       float* a, int64_t a_each, int64_t a_row, int64_t a_column,
                       float* b, int64_t b_each, int64_t b_row, int64_t b_column,
                       float* c, int64_t c_each, int64_t c_row) {
    const Matrix left{a, a_each, a_row, a_column}, right{b, b_each, b_row, b_column};
    const Matrix result{c, c_each, c_row, 1};
    // A few matrices that do not share out evenly are cut into rows.
    const long parts = count % threads == 0 || count >= 8 * threads ? 1 : threads;
    const long rows = (m + parts - 1) / parts;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long task = 0; task < count * parts; task++) {
        const long which = task / parts, start = task % parts * rows;
        Matrix some = left, whole = right, to = result;
        some.data = left.at(which, start, 0);
        whole.data = right.at(which, 0, 0);
        to.data = result.at(which, start, 0);
        const long here = std::min(rows, m - start);
        if (n <= LANES)
            product<16, 1>(here, k, n, some, whole, to);
        else
            product<12, 2>(here, k, n, some, whole, to);
    }
}
