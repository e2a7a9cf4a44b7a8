namespace PSCrac.Init;

internal static class Program
{
    private static void Main() => NamespaceInit.Run();
}
