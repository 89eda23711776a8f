// SPDX-License-Identifier: Apache-2.0
// Files through C++ streams: what these ask of the system is read, write, writev and lseek.
#include <fstream>
#include <iostream>
#include <string>

int main()
{
	std::string line;
	size_t size = 0;

	{
		std::ofstream out("streams.txt");
		for (int i = 0; i < 20000; i++)
			out << i << '\n';
		out << std::string(100000, 'x');
	}
	std::ifstream in("streams.txt");
	while (std::getline(in, line))
		size += line.size();
	in.clear();
	in.seekg(1000);
	in >> line;
	std::cout << size << ' ' << line << std::endl;
	return 0;
}
