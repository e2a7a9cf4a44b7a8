namespace PSCrac.Preflight.Subjects;

/// <summary>One thing that a restore needs. A rule compares an image with this machine and adds what it finds; it changes nothing.</summary>
internal abstract class ImageRule
{
    internal abstract void Examine(ImageSubject subject);
}
