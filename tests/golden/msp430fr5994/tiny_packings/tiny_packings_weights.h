/* made by a test */

#include "fml_tables.h"

/* [5, 3, 3, 3] of /ConvI8 */
FML_WEIGHTS_BEGIN(tiny_packings_v0_weight, 135)
FML_WEIGHTS_SLICE(far, tiny_packings_v0_weight, 0, 135)
    -122, -84, 16, -77, -108, -77, 16, -84, -122, -98, -12, -119, 91, 108, -68, 73, 21, 31, 103, -18, -77, -74, -9, 118,
    52, 48, 106, -29, -102, -113, -62, 51, -29, -47, -3, 103, 16, -9, 28, 127, 33, 1, 31, 123, 22, -17, 6, 91,
    -17, -63, -47, 31, -84, 118, 127, -57, 76, 16, 18, 82, -47, -114, -119, -62, 57, -17, -29, 21, -122, 52, 33, 76,
    -74, 93, 67, 103, -54, 106, 73, 102, -62, 91, 51, 73, -98, 48, 1, 16, 93, -23, -77, -69, 1, -122, 72, 73,
    -119, 6, -62, -68, -12, 106, 31, 18, 67, -77, 96, 76, 118, -33, -122, 106, -114, -17, -113, 108, -119, -29, 123, 82,
    103, -69, 76, 28, 42, 118, 1, -54, -47, 22, -102, 91, 91, -102, 22,
FML_WEIGHTS_SLICE_END
FML_WEIGHTS_END

/* [5] of /ConvI8 */
static const int32_t tiny_packings_v0_bias[5] = {
    -822, 270, -377, 839, 316,
};

/* [5] of /ConvI8 */
static const uint16_t tiny_packings_v0_mult[5] = {
    36079, 38225, 40433, 42703, 45035,
};

/* [5] of /ConvI8 */
static const uint8_t tiny_packings_v0_shift[5] = {
    24, 23, 24, 24, 23,
};

/* [3, 3, 5] of /ConvI8 */
FML_WEIGHTS_BEGIN(tiny_packings_v1_weight, 45)
FML_WEIGHTS_SLICE(far, tiny_packings_v1_weight, 0, 45)
    -122, 106, 1, 73, 67, 52, 73, 16, -119, -77, 33, 102, 93, 6, 96, 76, -62, -23, -62, 76, -74, 91, -77, -68,
    118, 93, 51, -69, -12, -33, 67, 73, 1, 106, -122, 103, -98, -122, 31, 106, -54, 48, 72, 18, -114,
FML_WEIGHTS_SLICE_END
FML_WEIGHTS_END

/* [5] of /ConvI8 */
static const int32_t tiny_packings_v1_bias[5] = {
    351, 256, 223, 252, 343,
};

/* [5] of /ConvI8 */
static const uint16_t tiny_packings_v1_mult[5] = {
    61099, 34693, 41117, 47603, 54151,
};

/* [5] of /ConvI8 */
static const uint8_t tiny_packings_v1_shift[5] = {
    24, 24, 23, 24, 24,
};

/* [6, 1, 1, 5] of /ConvI8 */
FML_WEIGHTS_BEGIN(tiny_packings_v2_weight, 30)
FML_WEIGHTS_SLICE(far, tiny_packings_v2_weight, 0, 30)
    -54, 1, 118, 42, 28, 76, -69, 103, 82, 123, -29, -119, 108, -113, -17, -114, 106, -122, -33, 118, 76, 96, -77, 67,
    18, 31, 106, -12, -68, -62,
FML_WEIGHTS_SLICE_END
FML_WEIGHTS_END

/* [6] of /ConvI8 */
static const int32_t tiny_packings_v2_bias[6] = {
    52, 571, -649, -6, 699, -335,
};

/* [6] of /ConvI8 */
static const uint16_t tiny_packings_v2_mult[6] = {
    45127, 55705, 33577, 44279, 55043, 33101,
};

/* [6] of /ConvI8 */
static const uint8_t tiny_packings_v2_shift[6] = {
    23, 24, 24, 23, 24, 24,
};

/* [4, 3, 3, 3] of /ConvI8 */
FML_WEIGHTS_BEGIN(tiny_packings_v3_weight, 108)
FML_WEIGHTS_SLICE(far, tiny_packings_v3_weight, 0, 108)
    82, 18, 16, 76, -57, 127, 118, -84, 31, -47, -63, -17, 91, 6, -17, 22, 123, 31, 1, 33, 127, 28, -9, 16,
    103, -3, -47, -29, 51, -62, -113, -102, -29, 106, 48, 52, 118, -9, -74, -77, -18, 103, 31, 21, 73, -68, 108, 91,
    -119, -12, -98, -122, -84, 16, -77, -108, -77, 16, -84, -122, -98, -12, -119, 91, 108, -68, 73, 21, 31, 103, -18, -77,
    -74, -9, 118, 52, 48, 106, -29, -102, -113, -62, 51, -29, -47, -3, 103, 16, -9, 28, 127, 33, 1, 31, 123, 22,
    -17, 6, 91, -17, -63, -47, 31, -84, 118, 127, -57, 76,
FML_WEIGHTS_SLICE_END
FML_WEIGHTS_END

/* [4] of /ConvI8 */
static const int32_t tiny_packings_v3_bias[4] = {
    82, -586, 609, 65,
};

/* [4] of /ConvI8 */
static const uint16_t tiny_packings_v3_mult[4] = {
    53699, 35725, 50581, 65499,
};

/* [4] of /ConvI8 */
static const uint8_t tiny_packings_v3_shift[4] = {
    24, 23, 24, 24,
};

/* [3, 16] of /DenseI8 */
FML_WEIGHTS_BEGIN(tiny_packings_v5_weight, 48)
FML_WEIGHTS_SLICE(far, tiny_packings_v5_weight, 0, 48)
    31, 103, -18, -77, -74, -9, 118, 52, 48, 106, -29, -102, -113, -62, 51, -29, -47, -3, 103, 16, -9, 28, 127, 33,
    1, 31, 123, 22, -17, 6, 91, -17, -63, -47, 31, -84, 118, 127, -57, 76, 16, 18, 82, -47, -114, -119, -62, 57,
FML_WEIGHTS_SLICE_END
FML_WEIGHTS_END

/* [3] of /DenseI8 */
static const int32_t tiny_packings_v5_bias[3] = {
    441, 387, 395,
};

/* [3] of /DenseI8 */
static const uint16_t tiny_packings_v5_mult[3] = {
    54047, 40289, 59361,
};

/* [3] of /DenseI8 */
static const uint8_t tiny_packings_v5_shift[3] = {
    24, 24, 23,
};
