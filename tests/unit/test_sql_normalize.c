/* SPDX-License-Identifier: Apache-2.0 */
/* Normal forms of SQL: what is folded, what stays, and that no value ever stays. */
#include "test.h"

#include "sql_normalize.h"
#include "sql_token.h"

#include <sqlite3.h>

static struct pp_arena *arena;

static const char *normal(const char *sql, unsigned flags)
{
	if (!arena)
		arena = arena_create();
	return sql_normalize(arena, sql, strlen(sql), flags);
}

struct row {
	const char *sql, *normal;
};

static void rows_check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		PP_CHECK_STR(normal(rows[i].sql, 0), rows[i].normal);
		/* a fixed point */
		PP_CHECK_STR(normal(rows[i].normal, 0), rows[i].normal);
	}
	arena_destroy(arena);
	arena = NULL;
}

#define ROWS_CHECK(rows) rows_check(rows, sizeof(rows) / sizeof(rows[0]))

PP_TEST(values_are_folded)
{
	static const struct row rows[] = {
		{"select * from t where id=5", "select * from t where id = ?"},
		{"select * from t where id = 'Ada'", "select * from t where id = ?"},
		{"select * from t where id='it''s'", "select * from t where id = ?"},
		{"select x'00ff', X'AB', 1.5e-3, .5, 5., 0x1F, 1_000", "select ?, ?, ?, ?, ?, ?, ?"},
		{"select 1 , 12abc", "select ?, ?"},
		{"select a from t limit 10 offset 20", "select a from t limit ? offset ?"},
		{"select 'a'||'b' || name", "select ? || ? || name"},
		{"select d->>'$.secret', d -> 'k'", "select d ->> ?, d -> ?"},
		{"create table t(a varchar(20) default 'x', b int default -1)",
		 "create table t(a varchar(?) default ?, b int default ?)"},
	};
	ROWS_CHECK(rows);
}

PP_TEST(signs_go_with_their_numbers)
{
	static const struct row rows[] = {
		{"select -5, +5, - 5, -  -5", "select ?, ?, ?, ?"},
		{"select a-5, a -5, (a)-5, ?-5, 3-5", "select a - ?, a - ?, (a) - ?, ? - ?, ? - ?"},
		{"select -a, ~5, ~-5, not -5", "select -a, ~?, ~?, not ?"},
		{"select case when a then -1 else -2 end - 3", "select case when a then ? else ? end - ?"},
		{"select null-1", "select null - ?"},
		{"select * from t where a between -3 and -2 limit -1",
		 "select * from t where a between ? and ? limit ?"},
		{"select a*-5", "select a * ?"},
	};
	ROWS_CHECK(rows);
}

PP_TEST(two_signs_are_no_comment)
{
	static const struct row rows[] = {
		{"select - -a, -(-b), - - - c, -~-d", "select - -a, -(-b), - - -c, -~-d"},
		{"select a - - b, a - -1", "select a - -b, a - ?"},
		{"select = - >= a, = - > b", "select = - >= a, = - > b"},
	};
	ROWS_CHECK(rows);
}

PP_TEST(every_name_of_the_statement_is_known)
{
	char sql[4096] = "select ", name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "c%d, ", i);
		strcat(sql, name);
	}
	strcat(sql, "a from t where a = \"c99\" and b = \"a value\"");
	PP_CHECK(strstr(normal(sql, 0), "a = \"c99\" and b = ?") != NULL);
	arena_destroy(arena);
	arena = NULL;
}

PP_TEST(words_stay_as_they_are)
{
	static const struct row rows[] = {
		{"SELECT Id fRoM Users", "SELECT Id fRoM Users"},
		{"select ?, ?1, :name, @name, $name", "select ?, ?1, :name, @name, $name"},
		{"select $a::b(c), @a::b, :a::b, :a(b,c) from t", "select $a::b(c), @a::b, :a::b, :a(b,c) from t"},
		{"select $a ( b )", "select $a (b)"},
		{"select [a b], `c d`, t.[e], \"t\".\"f\"", "select [a b], `c d`, t.[e], \"t\".\"f\""},
		{"select null, NULL, true, current_timestamp", "select null, NULL, true, current_timestamp"},
		{"select größe from été", "select größe from été"},
		{"select count(*), max ( a ), cast(a as text) from t where exists(select 1)",
		 "select count(*), max(a), cast(a as text) from t where exists (select ?)"},
	};
	ROWS_CHECK(rows);
}

/* Whatever stands in a Tcl variable's parentheses begins no string and no comment. */
PP_TEST(variables_with_an_index_hide_no_quote)
{
	static const struct row rows[] = {
		{"select 'x' from t where b = $x(') or a = 'a secret'", "select ? from t where b = $x(') or a = ?"},
		{"select :x(--) , 'a secret'", "select :x(--), ?"},
		{"select @x(\"), \"a\" , 1", "select @x(\"), ?, ?"},
		{"select $x('a secret') from t", "select $x (?) from t"},
		{"select $x('a", "select $x (?"},
	};
	ROWS_CHECK(rows);
}

PP_TEST(space_and_comments_go)
{
	static const struct row rows[] = {
		{"  select\n\t1 -- of Ada\n , 2/* or Bob */;", "select ?, ?"},
		{"\xef\xbb\xbfselect a", "select a"},
		{"select a/**/b", "select a b"},
		{"select a --", "select a"},
		{"select a /* no end 'x", "select a"},
		{"select a;;  ; -- x", "select a"},
		{"", ""},
		{"-- nothing", ""},
		{"create trigger r after insert on t begin delete from u; update v set a=1; end",
		 "create trigger r after insert on t begin delete from u; update v set a = ?; end"},
		{"a<b and c<>d and e!=f and g==h and i<=j and k<<2|~m",
		 "a < b and c <> d and e != f and g == h and i <= j and k << ? | ~m"},
	};
	ROWS_CHECK(rows);
}

PP_TEST(lists_are_folded)
{
	static const struct row rows[] = {
		{"select a from t where b in (1)", "select a from t where b in (...)"},
		{"select a from t where b IN(1, 'x',?,:n , NULL, -3)", "select a from t where b IN (...)"},
		{"select a from t where b not in (?,?,?)", "select a from t where b not in (...)"},
		{"select a from t where b in (select 1)", "select a from t where b in (select ?)"},
		{"select a from t where b in (1, c)", "select a from t where b in (?, c)"},
		{"select a from t where b in ()", "select a from t where b in ()"},
		{"select a from t where b in u", "select a from t where b in u"},
		{"insert into t values(1,2)", "insert into t values (?, ?)"},
		{"insert into t(a,b) values(1,2),(3,?)", "insert into t(a, b) values (?, ?), ..."},
		{"insert into t values(?,?),(?,?),(?,?) on conflict do nothing",
		 "insert into t values (?, ?), ... on conflict do nothing"},
		{"insert into t values(1,f(2)),(1,f(2)),(1,g(2))", "insert into t values (?, f(?)), ..., (?, g(?))"},
		{"insert into t values(1,2),(1,2,3)", "insert into t values (?, ?), (?, ?, ?)"},
		{"select * from t where (a,b) in (values (1,2),(3,4))",
		 "select * from t where (a, b) in (values (?, ?), ...)"},
	};
	ROWS_CHECK(rows);
}

/* In a list of double-quoted words SQLite alone knows which are strings. */
PP_TEST(double_quotes_stay_around_names_only)
{
	static const struct row rows[] = {
		{"SELECT \"auth_user\".\"id\" FROM \"auth_user\" WHERE \"auth_user\".\"name\" = \"alice\"",
		 "SELECT \"auth_user\".\"id\" FROM \"auth_user\" WHERE \"auth_user\".\"name\" = ?"},
		{"insert into \"t\" (\"a\", \"b\") values (\"alice\", \"bob\") returning \"t\".\"id\"",
		 "insert into \"t\"(\"a\", \"b\") values (?, ?) returning \"t\".\"id\""},
		{"update \"t\" set \"a\" = \"alice\", \"b\" = case when (\"t\".\"i\" = 1) then \"x\" end, \"c\" = 3",
		 "update \"t\" set \"a\" = ?, \"b\" = case when (\"t\".\"i\" = ?) then ? end, \"c\" = ?"},
		{"update or ignore \"t\" set a = \"x\"", "update or ignore \"t\" set a = ?"},
		{"select \"alice\" from t where \"bob\" = name", "select ? from t where ? = name"},
		{"select \"name\" from t where name = \"bob\"", "select \"name\" from t where name = ?"},
		{"select count(*) \"n\", a \"b\", 1 as \"one\" from t \"u\", \"v\" join \"w\" on \"x\" = 1",
		 "select count(*) \"n\", a \"b\", ? as \"one\" from t \"u\", \"v\" join \"w\" on ? = ?"},
		{"select \"t\".\"b\" as \"c\" from t order by \"b\", \"c\" desc, \"d\"",
		 "select \"t\".\"b\" as \"c\" from t order by \"b\", \"c\" desc, ?"},
		{"select a from t where b is not distinct from \"alice\"",
		 "select a from t where b is not distinct from ?"},
		{"select a from t where b like \"al%\" or c glob \"x\" or d match \"y\"",
		 "select a from t where b like ? or c glob ? or d match ?"},
		{"select a from t join u on f(\"alice\") and g(\"i\", \"j\")",
		 "select a from t join u on f(?) and g(?, ?)"},
		{"select a from (\"t\" join \"u\" using (\"k\"))", "select a from (\"t\" join \"u\" using (\"k\"))"},
		{"select * from (select \"alice\", \"bob\"), (values (\"x\"))",
		 "select * from (select ?, ?), (values (?))"},
		{"insert into t select \"alice\", 3 where not exists (select 1 from t where a=\"alice\")",
		 "insert into t select ?, ? where not exists (select ? from t where a = ?)"},
		{"create table \"t\" (\"id\" integer primary key, \"a\" text default \"none\", unique (\"a\", \"b\"))",
		 "create table \"t\"(\"id\" integer primary key, \"a\" text default ?, unique (\"a\", \"b\"))"},
		{"create unique index \"i\" on \"t\" (\"a\", \"b\")",
		 "create unique index \"i\" on \"t\"(\"a\", \"b\")"},
		{"create trigger r after insert on t begin select * from u join v on f(\"alice\"); end",
		 "create trigger r after insert on t begin select * from u join v on f(?); end"},
		{"create virtual table t using fts5(a, tokenize=\"porter\", x 'y', z \"secret\")",
		 "create virtual table t using fts5(a, tokenize = ?, x ?, z ?)"},
		{"vacuum into \"copy of alice\"", "vacuum into ?"},
		{"attach database \"alice.db\" as \"other\" key \"secret\"", "attach database ? as \"other\" key ?"},
	};
	ROWS_CHECK(rows);
}

static bool is_a_or_b(const void *argument, const char *word, size_t size)
{
	(void)argument;
	return size == 1 && (*word == 'a' || *word == 'b');
}

/* The words that are columns, by somebody who knows: shown in each place where a column may be, and there alone. */
PP_TEST(double_quotes_are_names_where_the_schema_says_so)
{
	static const struct {
		const char *sql, *normal, *told;
		bool met;
	} rows[] = {
		{"select \"a\", \"x\" from t", "select ?, ? from t", "select \"a\", ? from t", true},
		{"select 1 where \"a\" = \"b\"", "select ? where ? = ?", "select ? where \"a\" = \"b\"", true},
		{"select * from t where \"a\" = 'a'", "select * from t where ? = ?", "select * from t where \"a\" = ?",
		 true},
		{"select * from t where \"a\" in (1, \"b\", \"x\")", "select * from t where ? in (...)",
		 "select * from t where \"a\" in (?, \"b\", ?)", true},
		{"select * from t where \"a\" in (\"x\", 'a')", "select * from t where ? in (...)",
		 "select * from t where \"a\" in (...)", true},
		{"select max(\"a\") from t group by \"b\" order by \"x\" limit \"a\"",
		 "select max(?) from t group by ? order by ? limit ?",
		 "select max(\"a\") from t group by \"b\" order by ? limit \"a\"", true},
		{"update t set c = \"a\" || \"x\" where \"b\" is null", "update t set c = ? || ? where ? is null",
		 "update t set c = \"a\" || ? where \"b\" is null", true},
		{"insert into t values (\"a\", \"x\")", "insert into t values (?, ?)",
		 "insert into t values (\"a\", ?)", true},
		{"insert into t(\"z\") select \"a\" from u on conflict(\"a\") do update set \"b\" = \"x\"",
		 "insert into t(\"z\") select \"a\" from u on conflict (\"a\") do update set \"b\" = ?",
		 "insert into t(\"z\") select \"a\" from u on conflict (\"a\") do update set \"b\" = ?", true},
		{"delete from t where \"a\" between -1 and \"x\"", "delete from t where ? between ? and ?",
		 "delete from t where \"a\" between ? and ?", true},
		{"select case \"a\" when \"x\" then \"b\" end from t", "select case ? when ? then ? end from t",
		 "select case \"a\" when ? then \"b\" end from t", true},
		{"select \"t\".\"x\" from \"t\"", "select \"t\".\"x\" from \"t\"", "select \"t\".\"x\" from \"t\"",
		 false},
		/* a name with a quote in it is nobody's here */
		{"select \"a\"\"b\" from t", "select ? from t", "select ? from t", true},
		/* no place for a column: never */
		{"pragma key = \"a\"", "pragma key = ?", "pragma key = ?", false},
		{"attach \"a\" as x", "attach ? as x", "attach ? as x", false},
		{"vacuum into \"a\"", "vacuum into ?", "vacuum into ?", false},
		{"create virtual table v using fts5(\"a\")", "create virtual table v using fts5(?)",
		 "create virtual table v using fts5(?)", false},
		/* what has no end is no word */
		{"select \"a", "select ?", "select ?", false},
		{"select 'a'", "select ?", "select ?", false},
	};
	struct pp_arena *forms = arena_create();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pp_sql_doubt none = {0}, told = {.is_name = is_a_or_b}, again = {.is_name = is_a_or_b};
		const char *sql = rows[i].sql, *normal;

		PP_CHECK_STR(sql_normalize_doubtful(forms, sql, strlen(sql), 0, &none), rows[i].normal);
		normal = sql_normalize_doubtful(forms, sql, strlen(sql), 0, &told);
		PP_CHECK_STR(normal, rows[i].told);
		PP_CHECK_STR(sql_normalize_doubtful(forms, normal, strlen(normal), 0, &again), rows[i].told);
		PP_CHECK_EQ(told.met, rows[i].met || strcmp(rows[i].normal, rows[i].told) != 0);
		PP_CHECK_EQ(none.met, told.met);
	}
	arena_destroy(forms);
}

PP_TEST(pragmas_keep_harmless_words)
{
	static const struct row rows[] = {
		{"pragma journal_mode=WAL", "pragma journal_mode = WAL"},
		{"pragma main.synchronous = off", "pragma main.synchronous = off"},
		{"pragma table_info(users)", "pragma table_info(users)"},
		{"pragma cache_size=-2000", "pragma cache_size = ?"},
		{"pragma key=secret", "pragma key = ?"},
		{"pragma key = \"secret\"", "pragma key = ?"},
		{"pragma key(`secret`)", "pragma key (?)"},
		{"explain pragma rekey='secret'", "explain pragma rekey = ?"},
	};
	ROWS_CHECK(rows);
}

PP_TEST(broken_text_shows_nothing)
{
	static const struct row rows[] = {
		{"select 'abc", "select ?"},
		{"select \"abc", "select ?"},
		{"select [abc", "select ?"},
		{"select `abc", "select ?"},
		{"select x'abc", "select ?"},
		{"select a \\ b ! c", "select a ? b ? c"},
		{"select \x01 a", "select ? a"},
		{"select #1", "select ?"},
		{"select @", "select ?"},
		{"select \"a\xff\xfe\".b", "select \"a\xef\xbf\xbd\xef\xbf\xbd\".b"},
		{"select \xc3", "select \xef\xbf\xbd"},
		{"select \xed\xa0\x80", "select \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"))))((((", ")))) (((("},
		{"values (1, a\xd9), (2, a\xa9)", "values (?, a\xef\xbf\xbd), ..."},
		{"values (1), (2), (3) ... b", "values (?), (?), (?) ... b"},
		{"values (1), (2) . -b", "values (?), (?).-b"},
	};
	ROWS_CHECK(rows);
}

PP_TEST(what_is_cut_says_so)
{
	char *sql = malloc(200000), *end = sql;

	PP_CHECK_STR(normal("select a, 'secr", PP_SQL_CUT), "select a, ? ...");
	PP_CHECK_STR(normal("select a from t where b in (1, 2, '", PP_SQL_CUT), "select a from t where b in (...");
	PP_CHECK_STR(normal("select a from t where b in (1, 2", PP_SQL_CUT), "select a from t where b in (...");
	PP_CHECK_STR(normal("insert into t values (1, 2), (3", PP_SQL_CUT), "insert into t values (?, ?), ...");
	end += sprintf(end, "select c");
	for (int i = 0; i < 9000; i++)
		end += sprintf(end, ", col%d", i);
	PP_CHECK(strlen(normal(sql, 0)) <= PP_SQL_NORMAL_BYTES + 4);
	PP_CHECK_STR(normal(sql, 0) + strlen(normal(sql, 0)) - 5, ", ...");
	end = sql + sprintf(sql, "select a from t where b in (0");
	for (int i = 0; i < 20000; i++)
		end += sprintf(end, ",%d", i);
	sprintf(end, ") limit 5");
	PP_CHECK_STR(normal(sql, 0), "select a from t where b in (...) limit ?");
	memset(sql, '(', 100000);
	strcpy(sql + 100000, "\"secret\"");
	PP_CHECK(!strstr(normal(sql, 0), "secret"));
	free(sql);
}

PP_TEST(literals_stay_where_asked_for)
{
	PP_CHECK_STR(normal("select  -5,'a' -- x\n from t where b in (1,2)", PP_SQL_KEEP_LITERALS),
		     "select -5, 'a' from t where b in (1, 2)");
}

/* SQLite's own list of keywords, whatever its version. */
PP_TEST(every_keyword_is_known)
{
	for (int i = 0; i < sqlite3_keyword_count(); i++) {
		struct pp_sql_scanner scanner;
		struct pp_sql_token token;
		const char *name;
		int size;

		sqlite3_keyword_name(i, &name, &size);
		sql_scan(&scanner, name, (size_t)size);
		sql_token_next(&scanner, &token);
		if (token.keyword == PP_KEY_NONE)
			pp_test_fail(__FILE__, __LINE__, "%.*s is no keyword", size, name);
	}
}

/* A normal form still says the same: SQLite makes the same program of it but for the values. */
PP_TEST(normal_forms_compile)
{
	static const char *const texts[] = {
		"select a, -b, count(*) from t where a between -1 and +2 and b = 'x' group by 1, a having count(*) > 1",
		"select * from t as x left join u using (k) where x.a is not null and u.c glob 'a*' order by 1 desc "
		"limit 5",
		"insert into t(a, b, k) values (1, 'x', x'00')",
		"update t set a = a - 1, b = case when a = 1 then 'x' else 'y' end where k = -1",
		"with recursive n(i) as (select 1 union all select i + 1 from n where i < 10) select i from n",
		"select a, row_number() over (partition by b order by a rows between 1 preceding and current row) from "
		"t",
		"delete from t where exists (select 1 from u where u.k = t.k and u.c = 'it''s')",
		"select cast(a as text) || 'x', a->>'$.b', ~a & 3 from t where (a, b) in (select c, k from u)",
	};
	sqlite3 *db;

	PP_CHECK_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
	PP_CHECK_EQ(sqlite3_exec(db, "create table t(a,b,k); create table u(c,k)", NULL, NULL, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		sqlite3_stmt *raw, *folded;

		PP_CHECK_EQ(sqlite3_prepare_v2(db, texts[i], -1, &raw, NULL), SQLITE_OK);
		PP_CHECK_EQ(sqlite3_prepare_v2(db, normal(texts[i], 0), -1, &folded, NULL), SQLITE_OK);
		PP_CHECK_EQ(sqlite3_column_count(raw), sqlite3_column_count(folded));
		PP_CHECK(sqlite3_bind_parameter_count(folded) > 0);
		sqlite3_finalize(raw);
		sqlite3_finalize(folded);
	}
	sqlite3_close(db);
}

/* ---- no value stays: statements made of parts, with marked values in every place that has room for one ---- */

static uint32_t random_state = 1;

static uint32_t random_next(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static void value_put(FILE *file)
{
	static const char *const values[] = {"'Zqz'",	  "'Z''qz\"'",	"\"Zqz\"",	     "\"Z\"\"qz\"",
					     "7777",	  "-7.77e7",	"x'7777'",	     "0x7777",
					     "+77",	  "'-- Zqz'",	"'/* Zqz'",	     "'Zqz\n;'",
					     "7_777",	  ".77",	"'\xc3\xa9Zqz\xff'", "/*Zqz*/'Zqz'/*7*/",
					     "7 --Zqz\n", "  \"Zqz\"  "};

	fputs(values[random_next(sizeof(values) / sizeof(values[0]))], file);
}

/* $ is a value, % an expression. */
static void template_put(FILE *file, const char *template, int depth);

static void expression_put(FILE *file, int depth)
{
	static const char *const forms[] = {"$",
					    "a",
					    "t.\"a\"",
					    "(%)",
					    "f($, %)",
					    "% = %",
					    "a in ($, $, $)",
					    "% in ($, %)",
					    "case $ when $ then $ else $ end",
					    "not $",
					    "- $",
					    "% || $",
					    "a like $ escape $",
					    "a is not distinct from $",
					    "a between $ and $",
					    "exists (select $ from t where % and $)",
					    "cast($ as text)",
					    "a collate \"b\" = $",
					    "(a, $) = ($, b)",
					    "a->$->>$"};

	template_put(file, depth > 3 ? "$" : forms[random_next(sizeof(forms) / sizeof(forms[0]))], depth + 1);
}

static void template_put(FILE *file, const char *template, int depth)
{
	for (; *template; template ++) {
		if (*template == '$')
			value_put(file);
		else if (*template == '%')
			expression_put(file, depth);
		else
			fputc(*template, file);
	}
}

PP_TEST(no_value_stays)
{
	static const char *const forms[] = {
		"select % from \"t\" where % order by %, $ limit $ offset $",
		"select $, % from t join u on % and $ = $ where $",
		"insert into \"t\"(\"a\", b) values ($, %), ($, $), ($, $)",
		"insert into t values ($, $), ($, $) on conflict (\"a\") do update set \"a\" = $, b = % where $ "
		"returning $",
		"insert into t select $, $ where $",
		"update t set \"a\" = $, b = % where % and $",
		"delete from t where $ = a or %",
		"pragma key = $",
		"pragma user_version($)",
		"attach $ as b key $",
		"vacuum into $",
		"create table t(\"a\" text default $ check (a <> $), b default ($))",
		"create virtual table t using m(a, b = $, c $)",
		"create trigger r after insert on t when % begin select $, %; update t set a = $ where $; end",
		"create view v as select $ from t join u on f($) union select % from t group by a having $",
		"with c(\"x\") as (select $ union all values ($), ($)) select * from (select $, %), c where %",
		"select sum(a) filter (where % and $) over (partition by $ || a order by $ + 1) from (values ($, $))",
		"select raise(abort, $), %",
		"explain query plan select a from (t join u on %) where $",
		"select * from t indexed by \"i\" where a = $ and b match $ window w as (order by a)",
	};

	for (int i = 0; i < 20000; i++) {
		char *sql = NULL;
		size_t size, cut;
		FILE *file = open_memstream(&sql, &size);
		const char *folded;

		template_put(file, forms[random_next(sizeof(forms) / sizeof(forms[0]))], 0);
		fclose(file);
		cut = random_next(4) ? size : random_next((uint32_t)size + 1);
		arena = arena_create();
		folded = sql_normalize(arena, sql, cut, cut < size ? PP_SQL_CUT : 0);
		if (strpbrk(folded, "Z7"))
			pp_test_fail(__FILE__, __LINE__, "a value stays of %.*s: %s", (int)cut, sql, folded);
		arena_destroy(arena);
		arena = NULL;
		free(sql);
	}
}
