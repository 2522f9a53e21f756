#include "table.h"

#include <stddef.h>

/* By the number of a table's kind. */
static fml_policy_fn *const policies[] = {
    fml_policy_fixed,  fml_policy_confidence, fml_policy_entropy, fml_policy_energy, fml_policy_confidence_or_energy,
    fml_policy_deadline, fml_policy_confidence_or_deadline};

static void at_row(fml_table_t *table, int32_t row)
{
    table->row = row;
    table->left = table->rows[row].n;
}

static int boot(void *context, fml_work_t *restore)
{
    fml_table_t *table = context;
    *restore = table->is_cold ? table->first : table->restore;
    table->is_cold = 0;
    if (table->forgets) {
        table->under_way = 0;
        at_row(table, 0);
    }
    return table->under_way;
}

static int start(void *context, int64_t event)
{
    fml_table_t *table = context;
    at_row(table, 0);
    table->depth = 0;
    if (table->n_samples > 0) {
        table->sample = table->order[event % table->n_samples];
    }
    return 0;
}

static uint32_t whole(double amount)
{
    return amount < (double)UINT32_MAX ? (uint32_t)amount : UINT32_MAX;
}

static int next(void *context, double energy_uj, double elapsed_s, fml_work_t *work)
{
    fml_table_t *table = context;
    table->energy_uj = whole(energy_uj);
    table->elapsed_ms = table->keeps_time ? whole(elapsed_s * 1e3) : 0;
    *work = table->rows[table->row];
    work->n = table->left;
    if (work->stack == FML_REPORT && table->depth > 0) {
        work->depth = table->depth;
    }
    return 0;
}

/* Whether the policy has enough at the exit of a row. */
static int is_enough(const fml_table_t *table, const fml_work_t *row)
{
    const fml_policy_head_t *policy = table->policy;
    fml_policy_now_t now;
    fml_policy_answer_t answer;
    if (row->stack != FML_DECIDE || !policy || row->depth < 1 || row->depth > policy->n_exits) {
        return 0;
    }
    now.exit = (uint8_t)(row->depth - 1);
    now.scores = table->scores + (table->sample * policy->n_exits + now.exit) * policy->n_classes;
    now.n_classes = policy->n_classes;
    now.energy_uj = table->energy_uj;
    now.elapsed_ms = table->elapsed_ms;
    return policies[policy->kind](policy, &now, &answer);
}

/* Behind a decision: the report, where it stops, or the rows of the next exit. */
static int32_t following(fml_table_t *table)
{
    const fml_work_t *row = &table->rows[table->row];
    if (is_enough(table, row)) {
        table->depth = row->depth;
        return table->n_rows - 1;
    }
    return table->row + 1;
}

static int answer(const fml_table_t *table)
{
    int32_t depth = table->depth > 0 ? table->depth : table->rows[table->n_rows - 1].depth;
    return table->right ? table->right[table->sample * table->n_depths + depth - 1] : 2;
}

static int done(void *context, int32_t n)
{
    fml_table_t *table = context;
    table->under_way = 1;
    table->left -= n;
    if (table->left > 0) {
        return 2;
    }
    if (table->row + 1 < table->n_rows) {
        at_row(table, following(table));
        return 2;
    }
    table->under_way = 0;
    at_row(table, 0);
    return answer(table);
}

static int cut(void *context, double share)
{
    (void)context;
    (void)share;
    return 0;
}

void fml_table_device(fml_table_t *table, fml_device_t *device)
{
    device->context = table;
    device->boot = boot;
    device->start = start;
    device->next = next;
    device->done = done;
    device->cut = cut;
}
