using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The script that an interpreter runs.</summary>
internal static class ScriptFiles
{
    // Options of node that take the next word (node --help).
    private static readonly HashSet<string> s_nodeValues =
    [
        "-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file", "--env-file-if-exists",
        "--title", "--input-type", "--icu-data-dir", "--openssl-config", "--experimental-config-file",
    ];

    /// <summary>Adds the first argument that is a file, where the program is a known interpreter.</summary>
    internal static bool TryAdd(CommandFiles files, string program, IReadOnlyList<string> arguments)
    {
        if (!IsInterpreter(program))
        {
            return false;
        }

        foreach (string argument in arguments)
        {
            if (argument is "-c" or "-e" || (!argument.StartsWith('-') && files.TryAdd(argument, ImageManifestStartRole.Script)))
            {
                break;
            }
        }

        return true;
    }

    /// <summary>Adds the script of node, which may be a folder, or lack its ending (https://nodejs.org/api/modules.html, "All together").</summary>
    internal static void AddOfNode(CommandFiles files, IReadOnlyList<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument is "-e" or "--eval" or "-p" or "--print" or "-")
            {
                return;
            }

            if (s_nodeValues.Contains(argument))
            {
                i++;
            }
            else if (!argument.StartsWith('-') && argument.Length > 0 && argument != "inspect")
            {
                AddModule(files, argument);
                return;
            }
        }
    }

    private static void AddModule(CommandFiles files, string path)
    {
        foreach (string ending in (ReadOnlySpan<string>)["", ".js", ".mjs", ".cjs", ".json", ".node"])
        {
            if (files.TryAdd(path + ending, ImageManifestStartRole.Script))
            {
                return;
            }
        }

        string folder = files.Command.GetFullPath(path);
        string package = Path.Join(folder, "package.json");
        if (files.TryAdd(package, ImageManifestStartRole.Script) && ReadMain(package) is { Length: > 0 } main)
        {
            string named = Path.Join(folder, main);
            foreach (string ending in (ReadOnlySpan<string>)["", ".js", ".json", "/index.js"])
            {
                if (files.TryAdd(named + ending, ImageManifestStartRole.Script))
                {
                    return;
                }
            }
        }

        files.TryAdd(Path.Join(folder, "index.js"), ImageManifestStartRole.Script);
    }

    private static string? ReadMain(string package)
    {
        try
        {
            using var document = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(package));
            return document.RootElement.ValueKind == System.Text.Json.JsonValueKind.Object
                && document.RootElement.TryGetProperty("main", out System.Text.Json.JsonElement main)
                && main.ValueKind == System.Text.Json.JsonValueKind.String ? main.GetString() : null;
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // With a version behind some of them, as in ruby3.3 or lua5.4.
    private static bool IsInterpreter(string program) =>
        program.AsSpan().TrimEnd("0123456789.-") is "sh" or "bash" or "dash" or "ash" or "ksh" or "zsh" or "fish" or "perl" or "ruby" or "php" or "lua"
            or "tclsh" or "Rscript" or "pwsh" or "deno" or "bun" or "guile" or "erl" or "escript" or "elixir";
}
