using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Random numbers and ids generated before the checkpoint are the same in every restored copy; a loaded cryptographic library has
/// generated some.
/// </summary>
internal sealed class StaleRandomRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            string? source = FindLibrary(member) ?? FindDevice(member);
            if (source is not null)
            {
                subject.Note(
                    member.ProcessId,
                    $"random numbers from {source}",
                    CracReason.RandomStateRepeated,
                    "Every process restored from this image continues with the same generator state, and with the keys and ids generated before the checkpoint.",
                    "Before restoring one image more than once, let the program seed its generators and create its ids after the restore.",
                    new("processes that use random numbers", Place: $"from {source}"));
            }
        }
    }

    private static string? FindLibrary(ProcessSnapshot member)
    {
        foreach (MemoryArea area in member.Areas)
        {
            ReadOnlySpan<char> file = Path.GetFileName(area.Path.AsSpan());
            if (file.StartsWith("libcrypto.so") || file.StartsWith("libgnutls.so") || file.StartsWith("libnss3.so") || file.StartsWith("libgcrypt.so")
                || file.StartsWith("libsodium.so"))
            {
                return file.ToString();
            }
        }

        return null;
    }

    private static string? FindDevice(ProcessSnapshot member)
    {
        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (descriptor is { Kind: DescriptorKind.CharacterDevice, Status.SpecialDevice: { Major: 1, Minor: 8 or 9 } })
            {
                return descriptor.Target;
            }
        }

        return null;
    }
}
