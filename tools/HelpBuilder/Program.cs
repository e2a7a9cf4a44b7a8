namespace PSCrac.HelpBuilder;

/// <summary>
/// Writes the help of a module from its Markdown pages: about_NAME.help.txt for each about_NAME.md, and one MAML file, named by the
/// pages themselves, for all others.
/// </summary>
internal static class Program
{
    private const string TopicPrefix = "about_";

    private static int Main(string[] arguments)
    {
        if (arguments.Length != 2)
        {
            Console.Error.WriteLine("usage: HelpBuilder PAGES TARGET\n\n  PAGES   the folder with the Markdown pages\n  TARGET  the folder to write the help into");
            return 2;
        }
        var problems = Build(arguments[0], arguments[1]);
        foreach (var problem in problems)
        {
            Console.Error.WriteLine(problem);
        }
        return problems.Count == 0 ? 0 : 1;
    }

    /// <summary>Writes the help, or nothing at all where a page is not as it has to be.</summary>
    /// <returns>What is wrong, the first of each page; empty where all is well.</returns>
    public static IReadOnlyList<string> Build(string pagesFolder, string targetFolder)
    {
        var problems = new List<string>();
        var commands = new List<CommandPage>();
        var topics = new List<(string Name, string Text)>();
        var paths = Directory.Exists(pagesFolder) ? Directory.GetFiles(pagesFolder, "*.md") : [];
        Array.Sort(paths, StringComparer.Ordinal);
        foreach (var path in paths)
        {
            try
            {
                var page = MarkdownPage.Read(path);
                if (page.Name.StartsWith(TopicPrefix, StringComparison.Ordinal))
                {
                    topics.Add((page.Name, AboutTopic.Render(page)));
                }
                else
                {
                    commands.Add(CommandPageReader.Read(page));
                }
            }
            catch (PageException problem)
            {
                problems.Add(problem.Message);
            }
        }
        if (paths.Length == 0)
        {
            problems.Add($"{pagesFolder}: there are no pages");
        }
        foreach (var command in commands)
        {
            if (command.HelpFile != commands[0].HelpFile)
            {
                problems.Add($"{command.Name}: its 'external help file' is {command.HelpFile}, that of {commands[0].Name} is {commands[0].HelpFile}");
            }
        }
        if (problems.Count > 0)
        {
            return problems;
        }

        Directory.CreateDirectory(targetFolder);
        foreach (var (name, text) in topics)
        {
            File.WriteAllText(Path.Combine(targetFolder, $"{name}.help.txt"), text);
        }
        if (commands.Count > 0)
        {
            MamlWriter.Write(Path.Combine(targetFolder, commands[0].HelpFile), commands);
        }
        return problems;
    }
}
