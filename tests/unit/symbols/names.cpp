// SPDX-License-Identifier: Apache-2.0
// One mark in each kind of C++ function; the label is also the row of the test's table of expected names.
#define MARK(name) __asm__ volatile(".globl " #name "\n" #name ":\n\tnop")

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace
{
struct point {
	int x, y;
	__attribute__((noinline)) point operator+(const point &other) const
	{
		MARK(mark_operator);
		return { x + other.x, y + other.y };
	}
};
}

namespace shapes
{
template <typename T> struct list {
	T values[4];
	__attribute__((noinline)) explicit list(T value) : values{ value }
	{
		MARK(mark_constructor);
	}
	template <int N> __attribute__((noinline)) T get() const
	{
		MARK(mark_template);
		return values[N];
	}
};

static __attribute__((noinline)) int area(int width, int height)
{
	MARK(mark_static);
	return width * height;
}
}

extern "C" __attribute__((noinline)) int c_name(int value)
{
	auto twice = [&](int factor) __attribute__((noinline))
	{
		MARK(mark_lambda);
		return value * factor;
	};
	return twice(2);
}

int main(int count, char **)
{
	shapes::list<long> list(count);
	point a{ count, 1 }, b{ 2, count };
	std::vector<std::string> words;
	std::map<std::string, int> table;

	for (int i = 0; i < count * 10; i++)
		words.push_back(std::to_string(i * 7919));
	std::sort(words.begin(), words.end(), [](const auto &l, const auto &r) { return l > r; });
	for (auto &word : words)
		table[word]++;
	return (a + b).x + list.get<2>() + shapes::area(count, 3) + c_name(count) + table.size();
}
