using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace PSCrac.Tests.Architecture;

/// <summary>The product's sources as the compiler reads them, and what in them uses what.</summary>
internal sealed class EngineSources
{
    /// <summary>The name of what stands above all rooms of the engine: src/PSCrac.</summary>
    internal const string Cmdlets = "PSCrac";

    private const string Engine = "src/PSCrac.Native";
    private static readonly Lazy<EngineSources> s_all = new(static () => new EngineSources());
    private readonly CSharpCompilation _compilation;

    private EngineSources()
    {
        Root = FindRoot();
        var trees = new List<SyntaxTree>();
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(Root, path);
            if (!name.Contains("/obj/", StringComparison.Ordinal) && !name.Contains("/bin/", StringComparison.Ordinal))
            {
                trees.Add(CSharpSyntaxTree.ParseText(File.ReadAllText(path), new CSharpParseOptions(LanguageVersion.Latest), name));
            }
        }

        Trees = trees;

        // What the build adds to every project (ImplicitUsings).
        SyntaxTree globals = CSharpSyntaxTree.ParseText(string.Concat(
            Array.ConvertAll(
                ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Threading", "System.Threading.Tasks"],
                static (string name) => $"global using global::{name};")));
        string platform = (string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!;
        string library = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        _compilation = CSharpCompilation.Create(
            "engine",
            [.. trees.Where(static tree => tree.FilePath.StartsWith(Engine + "/", StringComparison.Ordinal) || tree.FilePath.StartsWith("src/PSCrac/", StringComparison.Ordinal)), globals],
            platform.Split(':').Where(path => path.StartsWith(library, StringComparison.Ordinal)).Select(static path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));
    }

    internal static EngineSources All => s_all.Value;

    /// <summary>The folder of the repository.</summary>
    internal string Root { get; }

    /// <summary>All files below src, with their paths from the root on.</summary>
    internal IReadOnlyList<SyntaxTree> Trees { get; }

    /// <summary>The room of a file: its folder below src/PSCrac.Native, or the cmdlets for all of src/PSCrac.</summary>
    internal static string RoomOf(string file) =>
        file.StartsWith(Engine, StringComparison.Ordinal) ? Path.GetRelativePath(Engine, Path.GetDirectoryName(file)!) : Cmdlets;

    /// <summary>Each use of something that another room declares, by the engine or by the cmdlets: user, used, and the name.</summary>
    internal IEnumerable<(string From, string To, string Name)> Uses()
    {
        foreach (SyntaxTree tree in _compilation.SyntaxTrees)
        {
            if (tree.FilePath.Length == 0)
            {
                continue;
            }

            SemanticModel model = _compilation.GetSemanticModel(tree);
            foreach (SimpleNameSyntax name in tree.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
            {
                SymbolInfo info = model.GetSymbolInfo(name);
                ISymbol? symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
                if (symbol is null or INamespaceSymbol)
                {
                    continue;
                }

                SyntaxReference? declared = symbol.OriginalDefinition.DeclaringSyntaxReferences.FirstOrDefault()
                    ?? symbol.ContainingType?.OriginalDefinition.DeclaringSyntaxReferences.FirstOrDefault();
                if (declared?.SyntaxTree.FilePath is { Length: > 0 } file && RoomOf(file) != RoomOf(tree.FilePath))
                {
                    yield return (tree.FilePath, file, symbol.Name);
                }
            }
        }
    }

    /// <summary>Each call of a method or constructor in the engine: its file, below src/PSCrac.Native, and what is called.</summary>
    internal IEnumerable<(string File, ISymbol Symbol)> Calls()
    {
        foreach (SyntaxTree tree in _compilation.SyntaxTrees.Where(static tree => tree.FilePath.StartsWith(Engine + "/", StringComparison.Ordinal)))
        {
            SemanticModel model = _compilation.GetSemanticModel(tree);
            string file = tree.FilePath[(Engine.Length + 1)..];
            foreach (SyntaxNode node in tree.GetRoot().DescendantNodes())
            {
                // A method that is passed on is called too.
                bool isCall = node is BaseObjectCreationExpressionSyntax
                    || (node is SimpleNameSyntax && model.GetSymbolInfo(node) is { Symbol: IMethodSymbol } or { CandidateSymbols: [IMethodSymbol, ..] });
                SymbolInfo info = isCall ? model.GetSymbolInfo(node) : default;
                if ((info.Symbol ?? info.CandidateSymbols.FirstOrDefault()) is { ContainingType: not null } symbol)
                {
                    yield return (file, symbol);
                }
            }
        }
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "PSCrac.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new DirectoryNotFoundException("The tests do not run in a checkout.");
    }
}
