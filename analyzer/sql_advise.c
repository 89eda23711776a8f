/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which index would change a plan; see sql_plan.h. For each table that the statement reads, indexes are made of the
 * columns that it compares or sorts by, one at a time, and the statement is planned with each: what SQLite then uses,
 * and what that spares, is the proof.
 */
#include "sql_plan.h"

#include "sql_terms.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRIAL_NAME     "preprof_trial"
#define COLUMNS_MAX    5
#define CANDIDATES_MAX 96
#define TABLES_MAX     8
#define SINGLES_MAX    16

struct part {
	const char *column, *function, *collation;
	bool descending;
};

struct candidate {
	const char *database, *table;
	struct part parts[COLUMNS_MAX];
	uint32_t count;
};

struct trial {
	struct pp_sql_schema *schema;
	const char *sql;
	struct pp_arena *arena;
	uint32_t budget, *spent;
	struct pp_sql_column *columns; /* that the statement reads */
	uint32_t column_count;
	struct pp_sql_terms terms;
	struct candidate *candidates;
	uint32_t candidate_count;
};

/* ---- candidates ---- */

static bool part_equals(const struct part *a, const struct part *b)
{
	return strcasecmp(a->column, b->column) == 0 && a->descending == b->descending &&
	       !a->function == !b->function && (!a->function || strcasecmp(a->function, b->function) == 0) &&
	       a->collation == b->collation;
}

static bool candidate_equals(const struct candidate *a, const struct candidate *b)
{
	if (a->count != b->count || a->table != b->table || a->database != b->database)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!part_equals(&a->parts[i], &b->parts[i]))
			return false;
	return true;
}

/* A column twice is none more. */
static void candidate_append(struct candidate *candidate, struct part part)
{
	for (uint32_t i = 0; i < candidate->count; i++)
		if (strcasecmp(candidate->parts[i].column, part.column) == 0)
			return;
	if (candidate->count < COLUMNS_MAX)
		candidate->parts[candidate->count++] = part;
}

static void candidate_offer(struct trial *trial, const struct candidate *candidate)
{
	if (candidate->count == 0 || trial->candidate_count == CANDIDATES_MAX)
		return;
	for (uint32_t i = 0; i < trial->candidate_count; i++)
		if (candidate_equals(&trial->candidates[i], candidate))
			return;
	trial->candidates[trial->candidate_count++] = *candidate;
}

/* The columns that JOIN USING compares are not among those that SQLite says are read: the schema is asked. */
static bool table_has(const struct trial *trial, const struct candidate *table, const char *column)
{
	return sqlite3_table_column_metadata(sql_schema_database(trial->schema), table->database, table->table, column,
					     NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

/* The longest beginning of a list that is the table's own. */
static void list_append(const struct trial *trial, struct candidate *candidate, const struct pp_sql_list *list)
{
	for (uint32_t i = 0; i < list->count && table_has(trial, candidate, list->columns[i]); i++)
		candidate_append(candidate,
				 (struct part){.column = list->columns[i], .descending = list->descending[i]});
}

struct singles {
	struct part equal[SINGLES_MAX], range[SINGLES_MAX];
	uint32_t equal_count, range_count;
};

static void singles_find(const struct trial *trial, const struct candidate *table, struct singles *singles)
{
	*singles = (struct singles){0};
	for (uint32_t i = 0; i < trial->terms.term_count; i++) {
		const struct pp_sql_term *term = &trial->terms.terms[i];
		struct part part = {.column = term->column, .function = term->function};

		if (!table_has(trial, table, term->column))
			continue;
		if ((term->roles & PP_SQL_EQUAL) && singles->equal_count < SINGLES_MAX)
			singles->equal[singles->equal_count++] = part;
		if ((term->roles & (PP_SQL_RANGE | PP_SQL_PATTERN)) && singles->range_count < SINGLES_MAX)
			singles->range[singles->range_count++] = part;
	}
}

/* `start`, alone, with a range, with a list. */
static void extended_offer(struct trial *trial, const struct candidate *start, const struct singles *singles)
{
	struct candidate candidate;

	candidate_offer(trial, start);
	for (uint32_t i = 0; i < singles->range_count; i++) {
		candidate = *start;
		candidate_append(&candidate, singles->range[i]);
		candidate_offer(trial, &candidate);
	}
	for (uint32_t i = 0; i < trial->terms.list_count; i++) {
		candidate = *start;
		list_append(trial, &candidate, &trial->terms.lists[i]);
		candidate_offer(trial, &candidate);
	}
}

static void collations_offer(struct trial *trial, const struct candidate *table, const struct singles *singles)
{
	static const char nocase[] = "NOCASE";

	for (uint32_t i = 0; i <= trial->terms.collation_count; i++) {
		const char *collation = i < trial->terms.collation_count ? trial->terms.collations[i] : nocase;

		for (uint32_t j = 0; j < singles->equal_count + singles->range_count; j++) {
			struct candidate candidate = *table;
			struct part part =
				j < singles->equal_count ? singles->equal[j] : singles->range[j - singles->equal_count];

			/* LIKE compares without case */
			if (i == trial->terms.collation_count && j < singles->equal_count)
				continue;
			part.collation = collation;
			candidate_append(&candidate, part);
			candidate_offer(trial, &candidate);
		}
	}
}

static void table_offer(struct trial *trial, const struct candidate *table)
{
	struct candidate all = *table, candidate;
	struct singles singles;

	singles_find(trial, table, &singles);
	for (uint32_t i = 0; i < singles.equal_count && i < COLUMNS_MAX - 1; i++)
		candidate_append(&all, singles.equal[i]);
	extended_offer(trial, &all, &singles); /* of no column too: ranges and lists alone */
	for (uint32_t i = 0; i < singles.equal_count; i++) {
		candidate = *table;
		candidate_append(&candidate, singles.equal[i]);
		extended_offer(trial, &candidate, &singles);
		for (uint32_t j = i + 1; j < singles.equal_count; j++) {
			struct candidate pair = candidate;

			candidate_append(&pair, singles.equal[j]);
			candidate_offer(trial, &pair);
		}
	}
	collations_offer(trial, table, &singles);
	extended_offer(trial, table, &singles);
	/* what the look of the tokens did not tell: NATURAL JOIN, row values, views */
	for (uint32_t i = 0, extra = 0; i < trial->column_count && extra < 8; i++) {
		if (trial->columns[i].table != table->table || trial->columns[i].database != table->database)
			continue;
		candidate = *table;
		candidate_append(&candidate, (struct part){.column = trial->columns[i].column});
		candidate_offer(trial, &candidate);
		extra++;
	}
}

/* Copies, in which equal names are the same pointer. */
static void columns_copy(struct trial *trial)
{
	const struct pp_sql_column *columns;

	trial->column_count = sql_schema_columns(trial->schema, &columns);
	trial->columns = arena_array(trial->arena, trial->column_count, sizeof(*trial->columns));
	for (uint32_t i = 0; i < trial->column_count; i++) {
		struct pp_sql_column *copy = &trial->columns[i];

		*copy = (struct pp_sql_column){arena_string(trial->arena, columns[i].database),
					       arena_string(trial->arena, columns[i].table),
					       arena_string(trial->arena, columns[i].column)};
		for (uint32_t j = 0; j < i; j++) {
			if (strcasecmp(trial->columns[j].database, copy->database) == 0)
				copy->database = trial->columns[j].database;
			if (strcasecmp(trial->columns[j].table, copy->table) == 0)
				copy->table = trial->columns[j].table;
		}
	}
}

/* What SQLite makes each time, "... AUTOMATIC COVERING INDEX (a=? AND b=?)", on each table that has such columns. */
static void automatic_offer(struct trial *trial, const struct candidate *table, const char *line)
{
	const char *at = strstr(line, " USING AUTOMATIC "), *end;
	struct candidate candidate = *table;

	at = at ? strrchr(at, '(') : NULL;
	for (; at && (end = strstr(at + 1, "=?")); at = strncmp(end, "=? AND ", 7) == 0 ? end + 6 : NULL) {
		const char *column = arena_string_sized(trial->arena, at + 1, (size_t)(end - at - 1));

		if (!table_has(trial, table, column))
			return;
		candidate_append(&candidate, (struct part){.column = column});
	}
	candidate_offer(trial, &candidate);
}

static void candidates_make(struct trial *trial, const struct pp_sql_plan *plan)
{
	struct candidate tables[TABLES_MAX];
	uint32_t table_count = 0;

	trial->candidates = arena_array(trial->arena, CANDIDATES_MAX, sizeof(*trial->candidates));
	for (uint32_t i = 0; i < trial->column_count && table_count < TABLES_MAX; i++) {
		bool known = strncasecmp(trial->columns[i].table, "sqlite_", 7) == 0;

		for (uint32_t j = 0; j < table_count; j++)
			known |= tables[j].table == trial->columns[i].table &&
				 tables[j].database == trial->columns[i].database;
		if (!known)
			tables[table_count++] = (struct candidate){.database = trial->columns[i].database,
								   .table = trial->columns[i].table};
	}
	for (uint32_t i = 0; i < table_count; i++) {
		for (uint32_t j = 0; j < plan->line_count; j++)
			automatic_offer(trial, &tables[i], plan->lines[j]);
		table_offer(trial, &tables[i]);
	}
}

/* ---- an index's text ---- */

static bool name_needs_quotes(const char *name)
{
	struct pp_sql_scanner scanner;
	struct pp_sql_token token;

	sql_scan(&scanner, name, strlen(name));
	return !sql_token_next(&scanner, &token) || token.kind != PP_TOKEN_WORD || token.keyword != PP_KEY_NONE ||
	       token.size != strlen(name);
}

static void name_put(sqlite3_str *text, const char *name)
{
	sqlite3_str_appendf(text, name_needs_quotes(name) ? "\"%w\"" : "%s", name);
}

/* CREATE INDEX [database.]name ON table(parts); the caller frees it by sqlite3_free. */
static char *index_text(const struct candidate *candidate, const char *name)
{
	sqlite3_str *text = sqlite3_str_new(NULL);

	sqlite3_str_appendall(text, "CREATE INDEX ");
	if (strcasecmp(candidate->database, "main") != 0) {
		if (strcasecmp(candidate->database, "temp") == 0) /* a keyword, but one that may be a name */
			sqlite3_str_appendall(text, candidate->database);
		else
			name_put(text, candidate->database);
		sqlite3_str_appendall(text, ".");
	}
	name_put(text, name);
	sqlite3_str_appendall(text, " ON ");
	name_put(text, candidate->table);
	for (uint32_t i = 0; i < candidate->count; i++) {
		const struct part *part = &candidate->parts[i];

		sqlite3_str_appendall(text, i ? ", " : "(");
		if (part->function)
			sqlite3_str_appendf(text, "%s(", part->function);
		name_put(text, part->column);
		if (part->function)
			sqlite3_str_appendall(text, ")");
		if (part->collation) {
			sqlite3_str_appendall(text, " COLLATE ");
			name_put(text, part->collation);
		}
		sqlite3_str_appendall(text, part->descending ? " DESC" : "");
	}
	sqlite3_str_appendall(text, ")");
	return sqlite3_str_finish(text);
}

static bool execute(struct trial *trial, const char *sql)
{
	sqlite3 *db = sql_schema_database(trial->schema);

	return sql && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool index_make(struct trial *trial, const struct candidate *candidate, const char *name)
{
	char *text = index_text(candidate, name);
	bool made = execute(trial, text);

	sqlite3_free(text);
	return made;
}

static void index_drop(struct trial *trial, const struct candidate *candidate, const char *name)
{
	char *text = sqlite3_mprintf("DROP INDEX \"%w\".\"%w\"", candidate->database, name);

	execute(trial, text);
	sqlite3_free(text);
}

/* ---- trying ---- */

/* The line that uses the index; NULL: none does. */
static const char *index_line(const struct pp_sql_plan *plan, const char *name)
{
	size_t length = strlen(name);

	for (uint32_t i = 0; i < plan->line_count; i++) {
		const char *found = strstr(plan->lines[i], name);

		if (found && found > plan->lines[i] && found[-1] == ' ' &&
		    (found[length] == ' ' || found[length] == '\0'))
			return plan->lines[i];
	}
	return NULL;
}

/* (a=? AND b>?): two for each equality, one for a range. */
static uint32_t line_terms(const char *line)
{
	const char *open = strrchr(line, '(');
	uint32_t count = 0;

	for (; open && *open; open++) {
		count += *open == '=' ? 2 : 0;
		count += (*open == '<' || *open == '>') ? 1 : 0;
	}
	return count;
}

/* "SEARCH o" of a line, its spaces left out. */
static bool lines_same_table(const char *left, const char *right)
{
	size_t size;

	left += strspn(left, " ");
	right += strspn(right, " ");
	size = strcspn(left, " ");
	if (left[size] == ' ')
		size += 1 + strcspn(left + size + 1, " ");
	return strncmp(left, right, size) == 0;
}

static bool line_was_automatic(const struct pp_sql_plan *before, const char *line)
{
	for (uint32_t i = 0; i < before->line_count; i++)
		if (strstr(before->lines[i], " USING AUTOMATIC ") && lines_same_table(line, before->lines[i]))
			return true;
	return false;
}

/* What an index is worth, 0: nothing. More is better. */
static uint64_t index_score(const struct pp_sql_plan *before, const struct pp_sql_plan *after, const char *line,
			    uint32_t columns, enum pp_sql_gain *gain)
{
	bool search = strncmp(line + strspn(line, " "), "SEARCH ", 7) == 0;
	uint64_t worth = 0;

	if (after->scan_count > before->scan_count || after->autoindex_count > before->autoindex_count ||
	    after->sort_count > before->sort_count + (after->scan_count < before->scan_count))
		return 0;
	if (after->sort_count < before->sort_count) {
		*gain = PP_SQL_GAIN_SORT;
		worth += 10 * (before->sort_count - after->sort_count);
	}
	if (after->autoindex_count < before->autoindex_count && search) {
		*gain = PP_SQL_GAIN_AUTOINDEX;
		worth += 1000 * (before->autoindex_count - after->autoindex_count);
	}
	if (after->scan_count < before->scan_count && search) {
		*gain = PP_SQL_GAIN_SEARCH;
		worth += 1000 * (before->scan_count - after->scan_count);
	}
	if (worth == 0)
		return 0;
	worth = worth << 24;
	/* verbatim what SQLite makes each time */
	worth += line_was_automatic(before, line) ? 1 << 20 : 0;
	return worth + ((uint64_t)line_terms(line) << 8) + (16 - columns);
}

static bool trial_plan(struct trial *trial, struct pp_sql_plan *plan)
{
	(*trial->spent)++;
	return sql_plan_make(trial->schema, trial->sql, trial->arena, plan, NULL);
}

static const struct candidate *best_find(struct trial *trial, const struct pp_sql_plan *before, enum pp_sql_gain *gain)
{
	const struct candidate *best = NULL;
	uint64_t best_score = 0;

	for (uint32_t i = 0; i < trial->candidate_count && *trial->spent < trial->budget; i++) {
		const struct candidate *candidate = &trial->candidates[i];
		enum pp_sql_gain candidate_gain = 0;
		struct pp_sql_plan after;
		const char *line;
		uint64_t score;

		if (!index_make(trial, candidate, TRIAL_NAME))
			continue;
		line = trial_plan(trial, &after) ? index_line(&after, TRIAL_NAME) : NULL;
		score = line ? index_score(before, &after, line, candidate->count, &candidate_gain) : 0;
		if (score > best_score) {
			best = candidate;
			best_score = score;
			*gain = candidate_gain;
		}
		index_drop(trial, candidate, TRIAL_NAME);
	}
	return best;
}

static char *index_name(struct trial *trial, const struct candidate *candidate)
{
	char *name = sqlite3_mprintf("%.40s", candidate->table);

	for (uint32_t i = 0; name && i < candidate->count; i++) {
		char *longer = sqlite3_mprintf("%s_%.20s", name, candidate->parts[i].column);

		sqlite3_free(name);
		name = longer;
	}
	for (char *at = name; at && *at; at++)
		if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9')))
			*at = '_';
	/* a name that is taken already */
	for (int i = 2; name && i < 20 && !index_make(trial, candidate, name); i++) {
		char *other = sqlite3_mprintf("%s%s%d", name, i == 2 ? "_" : "", i);

		sqlite3_free(name);
		name = other;
	}
	return name;
}

uint32_t sql_plan_advise(struct pp_sql_schema *schema, const char *sql, struct pp_arena *arena, uint32_t budget,
			 uint32_t *spent, struct pp_sql_advice advice[PP_SQL_ADVICE_MAX])
{
	struct trial trial = {.schema = schema, .sql = sql, .arena = arena, .budget = budget, .spent = spent};
	const struct candidate *kept[PP_SQL_ADVICE_MAX];
	char *names[PP_SQL_ADVICE_MAX];
	struct pp_sql_plan plan;
	uint32_t count = 0;

	if (*spent >= budget || !trial_plan(&trial, &plan))
		return 0;
	columns_copy(&trial);
	sql_terms_find(sql, arena, &trial.terms);
	candidates_make(&trial, &plan);
	while (count < PP_SQL_ADVICE_MAX && plan.scan_count + plan.autoindex_count + plan.sort_count > 0) {
		char *text;

		kept[count] = best_find(&trial, &plan, &advice[count].gain);
		if (!kept[count])
			break;
		names[count] = index_name(&trial, kept[count]);
		text = names[count] ? index_text(kept[count], names[count]) : NULL;
		advice[count].index = arena_string(arena, text ? text : "");
		sqlite3_free(text);
		if (!names[count] || !*advice[count].index)
			break;
		plan = (struct pp_sql_plan){0};
		trial_plan(&trial, &plan);
		advice[count++].plan = plan;
	}
	for (uint32_t i = 0; i < count; i++) {
		index_drop(&trial, kept[i], names[i]);
		sqlite3_free(names[i]);
	}
	return count;
}
