using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace PSCrac.Tests.Architecture;

/// <summary>
/// The plan of the engine, held: which room uses which. A room may use only rooms that stand before it, so there can be no
/// circle. A row that is wrong in either direction fails: a use that is not listed, and a listed one that nobody makes.
/// </summary>
public class LayeringTests
{
    private static readonly (string Room, string Uses)[] s_rooms =
    [
        ("Common", ""),
        ("Interop", ""),
        ("Procfs", "Common Interop"),
        ("Images/Storage", "Common Interop Procfs"),
        ("Running", "Common Interop Procfs Images/Storage"),
        ("Images/Format", "Images/Storage"),
        ("Images/Manifest", "Common Images/Storage"),
        ("Processes", "Common Interop Procfs Images/Storage Images/Manifest"),
        ("Processes/Tracing", "Interop Procfs"),
        ("Images/Memory", "Images/Storage Images/Format"),
        ("Images/Model", "Common Interop Images/Storage Images/Format Images/Manifest Images/Memory"),
        ("Images/Operations", "Common Interop Procfs Images/Storage Images/Format Images/Manifest Images/Memory Images/Model"),
        ("PidNamespaces", "Common Interop Processes Images/Storage"),
        ("Paging", "Common Interop Procfs Processes Images/Storage Images/Memory PidNamespaces"),
        ("Options", "Common Interop Processes Images/Manifest Images/Model Paging"),
        ("Criu", "Common Interop Procfs Processes Images/Storage Options PidNamespaces"),
        ("Staging", "Common Interop Procfs Running Processes Images/Storage Images/Format Images/Manifest Images/Model Images/Operations"),
        ("Archives/Signatures", "Common Interop Images/Storage Images/Manifest"),
        ("Preflight/Subjects", "Common Interop Procfs Images/Storage Images/Manifest Images/Model Options"),
        ("Preflight/ProcessRules", "Common Interop Procfs Processes/Tracing Options Criu Preflight/Subjects"),
        ("Preflight/ImageRules", "Archives/Signatures Common Interop Procfs Images/Storage Images/Format Images/Manifest Images/Memory Images/Model Images/Operations Options Criu Preflight/Subjects"),
        ("Preflight", "Common Procfs Images/Model Options Preflight/Subjects Preflight/ProcessRules Preflight/ImageRules"),
        ("Archives", "Common Interop Procfs Images/Storage Images/Format Images/Manifest Images/Memory Images/Model Images/Operations Criu Staging Archives/Signatures Preflight/Subjects"),
        ("Stores", "Common Interop Procfs Images/Storage Images/Manifest Images/Memory Images/Model Images/Operations Criu Staging Preflight/Subjects Archives"),
        ("Jvm", "Common Interop Procfs Processes Images/Storage Images/Format Images/Manifest Images/Model Images/Operations Options Criu Staging"),
        ("Checkpointing", "Common Interop Procfs Processes Images/Storage Images/Manifest Images/Model Images/Operations Options PidNamespaces Criu Staging Preflight/Subjects Preflight Jvm"),
        ("Restoring", "Archives/Signatures Common Interop Procfs Running Processes Processes/Tracing Images/Storage Images/Format Images/Manifest Images/Memory Images/Model Options Paging PidNamespaces Criu Preflight/Subjects Preflight/ImageRules Preflight Archives Jvm"),
        ("Starting/Fingerprints", "Common Interop Procfs Images/Manifest Images/Model"),
        ("Starting", "Common Interop Procfs Running Processes Images/Storage Images/Manifest Images/Model Images/Operations Options PidNamespaces Criu Staging Preflight/Subjects Checkpointing Restoring Jvm Starting/Fingerprints"),
        ("Starting/Services", "Common Interop Procfs Running Images/Storage Images/Manifest Images/Model Images/Operations Options PidNamespaces Checkpointing Jvm Starting/Fingerprints Starting"),
        ("Moving", "Common Interop Procfs Processes Images/Storage Images/Model Images/Operations Options Paging PidNamespaces Criu Staging Preflight/Subjects Preflight/ImageRules Preflight Checkpointing Restoring"),
        ("CoreDumps", "Common Interop Procfs Images/Storage Images/Format Images/Memory Images/Model Preflight/Subjects Archives"),

        // The cmdlets see what is internal to the engine, and use of it the operations and what these take and give.
        (EngineSources.Cmdlets, "Archives Common Procfs Running Images/Format Images/Manifest Images/Model Images/Operations Options PidNamespaces Criu Preflight Checkpointing Restoring Starting Starting/Services Stores Moving CoreDumps"),
    ];

    [Fact]
    public void Every_room_uses_what_is_listed_and_only_what_stands_before_it()
    {
        var wrong = new SortedSet<string>(StringComparer.Ordinal);
        var order = s_rooms.Select(static row => row.Room).ToList();
        var listed = s_rooms.SelectMany(static row => row.Uses.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(used => (row.Room, used))).ToHashSet();
        var made = new HashSet<(string, string)>();
        foreach ((string from, string to, string name) in EngineSources.All.Uses())
        {
            (string Room, string Used) use = (EngineSources.RoomOf(from), EngineSources.RoomOf(to));
            made.Add(use);
            if (!listed.Contains(use))
            {
                wrong.Add($"{use.Room} may not use {use.Used}: {Path.GetFileName(from)} uses {name} of {Path.GetFileName(to)}");
            }
        }

        foreach ((string room, string used) in listed)
        {
            if (order.IndexOf(used) < 0 || order.IndexOf(used) >= order.IndexOf(room))
            {
                wrong.Add($"{used} does not stand before {room}");
            }
            else if (!made.Contains((room, used)))
            {
                wrong.Add($"{room} does not use {used}: take it out of the list");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong.Take(40)));
    }

    [Fact]
    public void Folders_are_namespaces()
    {
        // What a cmdlet hands out is PSCrac.Something to whoever writes a script, wherever its file is; what nobody gets is not.
        var wrong = new List<string>();
        foreach (SyntaxTree tree in EngineSources.All.Trees.Where(static tree => tree.FilePath.StartsWith("src/PSCrac.Native/", StringComparison.Ordinal)))
        {
            string name = tree.GetRoot().DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>().Single().Name.ToString();
            bool isHandedOut = tree.GetRoot().DescendantNodes().OfType<BaseTypeDeclarationSyntax>().Any(static type => type.Modifiers.Any(SyntaxKind.PublicKeyword));
            if (name != "PSCrac." + EngineSources.RoomOf(tree.FilePath).Replace('/', '.') && (name != "PSCrac" || !isHandedOut))
            {
                wrong.Add($"{tree.FilePath}: {name}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void Only_Interop_calls_the_C_library_and_each_function_is_declared_once()
    {
        var wrong = new List<string>();
        var declared = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (SyntaxTree tree in EngineSources.All.Trees)
        {
            foreach (MethodDeclarationSyntax method in tree.GetRoot().DescendantNodes().OfType<MethodDeclarationSyntax>())
            {
                AttributeSyntax? import = method.AttributeLists.SelectMany(static list => list.Attributes)
                    .FirstOrDefault(static attribute => attribute.Name.ToString() is "LibraryImport" or "DllImport");
                if (import is null)
                {
                    continue;
                }

                string entry = method.Identifier.Text;
                if (!tree.FilePath.StartsWith("src/PSCrac.Native/Interop/", StringComparison.Ordinal))
                {
                    wrong.Add($"{tree.FilePath} imports {entry}");
                }

                if (!declared.TryAdd(entry, tree.FilePath))
                {
                    wrong.Add($"{entry} is imported in {declared[entry]} and in {tree.FilePath}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.NotEmpty(declared);
    }

    [Fact]
    public void The_engine_knows_no_PowerShell()
    {
        Assert.DoesNotContain(
            typeof(CracException).Assembly.GetReferencedAssemblies(),
            static name => name.Name is "System.Management.Automation" or "PSCrac");
    }

    [Fact]
    public void Files_and_methods_are_of_a_size_to_be_read()
    {
        const int LongestFile = 400;
        const int LongestMethod = 60;
        var wrong = new List<string>();
        foreach (SyntaxTree tree in EngineSources.All.Trees)
        {
            if (Lines(tree.GetRoot()) is var lines and > LongestFile)
            {
                wrong.Add($"{tree.FilePath} has {lines} lines of code");
            }

            foreach (BaseMethodDeclarationSyntax method in tree.GetRoot().DescendantNodes().OfType<BaseMethodDeclarationSyntax>())
            {
                if (Lines(method) is var length and > LongestMethod)
                {
                    wrong.Add($"{tree.FilePath}: a method of {length} lines at line {method.GetLocation().GetLineSpan().StartLinePosition.Line + 1}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    // Lines with code in them: comments and empty lines do not count.
    private static int Lines(SyntaxNode node) =>
        node.DescendantTokens().Select(static token => token.GetLocation().GetLineSpan().StartLinePosition.Line).Distinct().Count();
}
